from lumin_core.runs.ensemble import Ensemble as Ensemble
from lumin_core.runs.members import WEIGHTINGS as WEIGHTINGS
from lumin_core.runs.results import Results as Results
from lumin_core.runs.train import train_models as train_models
