from lumin_plugin_onnx.exporter import Onnx as Onnx
