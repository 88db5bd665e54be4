from lumin_plugin_io.expression import Expression as Expression
