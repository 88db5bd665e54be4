from lumin_plugin_farm.dask import Dask as Dask
from lumin_plugin_farm.processes import Processes as Processes
