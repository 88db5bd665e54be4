from lumin_plugin_farm.processes import Processes as Processes
