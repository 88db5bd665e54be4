from lumin_plugin_io.columns import Columns as Columns
from lumin_plugin_io.description import Category as Category
from lumin_plugin_io.description import Friends as Friends
from lumin_plugin_io.description import MatrixTable as MatrixTable
from lumin_plugin_io.description import Sample as Sample
from lumin_plugin_io.description import Split as Split
from lumin_plugin_io.description import Variation as Variation
from lumin_plugin_io.expression import Expression as Expression
