from lumin_plugin_commands.run_file import RunFile as RunFile
from lumin_plugin_commands.run_keys import Key as Key
from lumin_plugin_commands.run_keys import keys_of as keys_of
from lumin_plugin_commands.run_tables import RunTable as RunTable
