from lumin_plugin_lgatr.lgatr_extractor import Lgatr as Lgatr
from lumin_plugin_lgatr.slim_extractor import LgatrSlim as LgatrSlim

__version__: str
