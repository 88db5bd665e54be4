"""What is not collected: the template's example names a component that is not installed."""

collect_ignore = ["src/lumin_plugin_weaver/template.py"]
