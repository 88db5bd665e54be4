from lumin_plugin_io.root_reader import RootReader as RootReader
