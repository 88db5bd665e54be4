from lumin_plugin_plots.numbers import Numbers as Numbers
from lumin_plugin_plots.plot import Plot as Plot
from lumin_plugin_plots.plot import redraw as redraw
from lumin_plugin_plots.point_table import WorkingPoints as WorkingPoints
from lumin_plugin_plots.point_table import working_points as working_points
from lumin_plugin_plots.roc import plot_roc as plot_roc
from lumin_plugin_plots.settings import PlotSettings as PlotSettings
from lumin_plugin_plots.significance import plot_significance as plot_significance
