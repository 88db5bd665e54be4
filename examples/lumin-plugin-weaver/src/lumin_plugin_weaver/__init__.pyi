from lumin_plugin_weaver.data_config import WeaverData as WeaverData
from lumin_plugin_weaver.head import WeaverHead as WeaverHead
from lumin_plugin_weaver.network import Converted as Converted
from lumin_plugin_weaver.network import WeaverNetwork as WeaverNetwork
from lumin_plugin_weaver.particle_net import ParticleNet as ParticleNet
from lumin_plugin_weaver.scaling import WeaverScaling as WeaverScaling
from lumin_plugin_weaver.start import from_weaver as from_weaver
from lumin_plugin_weaver.start import read_checkpoint as read_checkpoint

__version__: str
