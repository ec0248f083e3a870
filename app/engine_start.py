"""EngineStart: opens the network of a preset with an engine, the fastest way that was measured here, and warms it."""

from collections.abc import Callable, Sequence

from app.calibration import Remembered
from app.network_loader import Plan
from app.settings import Settings
from matting_core.arithmetic import Way
from matting_core.engine import MattingEngine, Network
from matting_core.engine_names import GPU_ENGINES
from matting_core.engine_recorded import RecordedEngine
from matting_core.errors import EngineError, MattecamError
from matting_core.model_store import ModelStore
from matting_core.predictor import Predictor
from matting_core.presets import Preset
from matting_core.whole_frame import WholeFrame

MEND_MEMORY = "Close other programs, or choose a lighter preset."

EngineFactory = Callable[[str, Network], MattingEngine]


class EngineStart:
    """`open` may be called on any thread. size: (width, height) of the frames to come; may be set meanwhile."""

    def __init__(self, settings: Callable[[], Settings], size: tuple[int, int], factory: EngineFactory) -> None:
        self._settings = settings
        self.size = size
        self._factory = factory
        self._store = ModelStore()
        self._remembered = Remembered(self._store)

    def plan(self, preset: Preset, engine: str, running: str = "") -> Plan:
        """What to open for a preset. running: the engine that `engine` led to, if one runs.

        Nothing is known of how fast a model of the user's own is. A GPU, or an engine that the user named, has no ways.
        """
        own = preset.model_for(self._settings().model) != preset.model
        fixed = engine not in ("auto", "openvino") or running in GPU_ENGINES
        return Plan(preset, engine, None if own or fixed else self._remembered.way(preset))

    def costs(self, presets: Sequence[Preset], engine: str, running: str) -> list[float]:
        """What the network of each preset takes, in any unit: as measured here, where that holds of all, or a guess."""
        ways = [self.plan(preset, engine, running).way for preset in presets]
        # Who names OpenVINO gets it, also where ONNX Runtime was measured to be faster.
        taken = all(way is not None and engine in ("auto", way.engine) for way in ways)
        known = self._remembered.costs_ms(presets) if taken else []
        return known or [preset.relative_cost(self._settings().model) for preset in presets]

    def open(self, plan: Plan) -> Predictor:
        """A warm predictor. Raises MattecamError, EngineError also for whatever a library raises."""
        settings, preset, way = self._settings(), plan.preset, plan.way
        network = self._store.network(preset.model_for(settings.model), preset.int8)
        if way is not None and way.engine == "openvino":
            network = network._replace(arithmetic=way.arithmetic, threads=way.threads)
        try:
            engine = self._build(plan.engine, network, way)
        except MattecamError:
            raise
        except Exception as error:
            raise _cannot_start(plan.engine, error) from error
        try:
            whole = WholeFrame(engine.name, engine.model) if isinstance(engine, RecordedEngine) else None
            predictor = Predictor(engine, preset, settings.smoothing, whole)
            width, height = self.size
            predictor.warm_up(height, width)
        except BaseException as error:
            engine.close()
            if isinstance(error, MattecamError) or not isinstance(error, Exception):
                raise
            raise _cannot_start(plan.engine, error) from error
        return predictor

    def _build(self, name: str, network: Network, way: Way | None) -> MattingEngine:
        engine = self._factory(name, network)
        if name == "auto" and engine.name == "openvino" and way is not None and way.engine == "cpu":
            engine.close()
            return self._factory("cpu", network)
        return engine


def _cannot_start(name: str, error: Exception) -> EngineError:
    if isinstance(error, MemoryError):
        return EngineError(f"There is not enough memory to start the {name} engine.", MEND_MEMORY)
    return EngineError(f"The {name} engine cannot start ({type(error).__name__}: {error}).", "Choose another engine.")
