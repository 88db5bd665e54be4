"""What ``lumin new-plugin`` begins with: one component of each kind of the core.

Each module is copied whole, with the names of the new component; nothing else uses it. A plugin
that declares a kind brings its own in the same way, by the entry-point group ``lumin.templates``:
the kind's plural, and where the component is that is to be copied.
"""
