from lumin_plugin_io.inputs import Input as Input
from lumin_plugin_io.inputs import check_types as check_types
from lumin_plugin_io.inputs import find_inputs as find_inputs
from lumin_plugin_io.inputs import open_reader as open_reader
from lumin_plugin_io.root_reader import RootReader as RootReader
