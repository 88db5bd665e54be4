"""What ``lumin new-plugin`` begins a component with, of the kinds that this plugin declares."""
