from lumin_plugin_plots.numbers import Numbers as Numbers
from lumin_plugin_plots.plot import Plot as Plot
from lumin_plugin_plots.plot import redraw as redraw
from lumin_plugin_plots.settings import PlotSettings as PlotSettings
