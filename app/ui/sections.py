"""The folding sections of the panel: edges and light, quality, and the output's own settings."""

import sys

from PySide6.QtWidgets import QLineEdit, QWidget

from app.settings import LEAST_LOAD, NO_LIMIT, Settings
from app.status import Status
from app.ui.bindings import bind_button, bind_combo, bind_slider, fill_combo, slider_row
from app.ui.jobs import Lane
from app.ui.measuring import MeasureRow
from app.ui.statistics import input_size, last_change, preset_names
from app.ui.store import SettingsStore
from app.ui.widgets import Combo, MutedLabel, Section, Slider, Switch, labelled
from matting_core.engine_names import ENGINE_NAMES, engines_for, has_render_node
from matting_core.nvidia import has_driver
from matting_core.presets import AUTO_MODEL, AUTO_PRESET, PRESETS

OUTPUT_SIZES = ("640x360", "1280x720", "1920x1080")
FPS_CAPS = (10, 15, 20, 24, 25, 30, 50, 60)
OUTPUT_RATES = (15, 24, 25, 30, 50, 60)


class EdgesSection(Section):
    """How the rim between person and background is drawn."""

    def __init__(self, store: SettingsStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.set_title(self.tr("Edges and light"))
        self.shift, self.feather, self.light_wrap = Slider(-20, 20), Slider(0, 20), Slider(0, 100)
        # It starts in the middle: nothing is filled that has not been moved.
        self.shift.setProperty("centred", True)
        bind_slider(store, self.shift, "edge_shift")
        bind_slider(store, self.feather, "edge_feather")
        bind_slider(store, self.light_wrap, "light_wrap", scale=0.01)
        self.decontaminate = Switch(self.tr("Remove the old room's colour from hair"))
        bind_button(store, self.decontaminate, "decontaminate")
        self.smoothing = Combo()
        choices = (
            (self.tr("Steady, moves with you"), "motion"),
            (self.tr("One frame (OFD)"), "ofd"),
            (self.tr("Off"), "off"),
        )
        fill_combo(self.smoothing, choices, store.settings.smoothing)
        bind_combo(store, self.smoothing, "smoothing")
        for row in (
            slider_row(self.tr("Shrink or grow"), self.shift, _signed),
            slider_row(self.tr("Soften"), self.feather, lambda value: f"{value} px"),
            slider_row(self.tr("Light wrap"), self.light_wrap, lambda value: f"{value} %"),
            self.decontaminate,
            labelled(self.tr("Smoothing"), self.smoothing),
        ):
            self.body.addWidget(row)


class QualitySection(Section):
    """Speed against detail, the engine and the model; and what really runs."""

    def __init__(self, store: SettingsStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self.set_title(self.tr("Quality and speed"))
        self.preset, self.engine, self.model = Combo(), Combo(), Combo()
        names = preset_names()
        presets = [(f"{names.get(name, name)} ({preset.long_side} px)", name) for name, preset in PRESETS.items()]
        fill_combo(self.preset, [(self.tr("Automatic (keeps the rate)"), AUTO_PRESET), *presets], store.settings.preset)
        known = {
            "auto": self.tr("Automatic"),
            "cuda": self.tr("NVIDIA GPU (CUDA)"),
            "tensorrt": self.tr("NVIDIA GPU (TensorRT)"),
            "coreml": self.tr("Apple (Core ML)"),
            "directml": self.tr("Windows GPU (DirectML)"),
            "openvino": self.tr("Processor (OpenVINO)"),
            "openvino-gpu": self.tr("Intel GPU (OpenVINO)"),
            "cpu": self.tr("Processor (ONNX Runtime)"),
        }
        offered = {*engines_for(sys.platform, has_driver(), has_render_node()), store.settings.engine}
        engines = [(known.get(name, name), name) for name in ENGINE_NAMES if name in offered]
        fill_combo(self.engine, engines, store.settings.engine)
        fill_combo(self.model, [(self.tr("The preset's own"), AUTO_MODEL)], store.settings.model)
        for label, combo, field in (
            (self.tr("Preset"), self.preset, "preset"),
            (self.tr("Engine"), self.engine, "engine"),
            (self.tr("Model"), self.model, "model"),
        ):
            bind_combo(store, combo, field)
            self.body.addWidget(labelled(label, combo))
        self._add_limits(store)
        self.running = MutedLabel()
        self.body.addWidget(self.running)
        self.measure = MeasureRow()
        self.body.addWidget(self.measure)

    def list_models(self, lane: Lane) -> None:
        """Fill in the models; reading the disk is not for the window's thread."""
        lane.submit(model_names, self._show_models)

    def _add_limits(self, store: SettingsStore) -> None:
        self.fps_cap, self.load_limit = Combo(), Slider(LEAST_LOAD, NO_LIMIT)
        caps = [(self.tr("Same as camera"), 0), *((f"{rate} fps", rate) for rate in FPS_CAPS)]
        fill_combo(self.fps_cap, caps, store.settings.fps_cap)
        bind_combo(store, self.fps_cap, "fps_cap")
        bind_slider(store, self.load_limit, "load_limit")
        self.load_limit.setToolTip(
            self.tr("How much of the processor or the GPU Mattecam may use; what is left is free for a game")
        )
        self.body.addWidget(labelled(self.tr("Frame rate limit"), self.fps_cap))
        self.body.addWidget(slider_row(self.tr("Load limit"), self.load_limit, self._percent))

    def _percent(self, value: int) -> str:
        return self.tr("none") if value >= NO_LIMIT else f"{value} %"

    def show_status(self, status: Status) -> None:
        """Say which preset and provider really run, and what the preset auto did last."""
        preset = preset_names().get(status.preset, status.preset)
        parts = [part for part in (preset, status.provider or status.engine, input_size(status)) if part]
        text = self.tr("Running: {0}").format(" · ".join(parts)) if parts and status.matting == "running" else ""
        why = last_change(status)
        if text and why and self._store.settings.preset == AUTO_PRESET:
            text += "\n" + self.tr("Last change: {0}").format(why)
        self.running.say(text)
        self.measure.show_status(status)

    def _show_models(self, names: list[str]) -> None:
        models = [(self.tr("The preset's own"), AUTO_MODEL), *((name, name) for name in names)]
        fill_combo(self.model, models, self._store.settings.model)


class OutputSection(Section):
    """The sink's device, size and rate, which hold until the program is started again."""

    def __init__(self, store: SettingsStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self.set_title(self.tr("Output"))
        self.frame_size, self.rate = Combo(), Combo()
        self.device = QLineEdit()
        self.device.setPlaceholderText(self.tr("Automatic"))
        fill_combo(
            self.frame_size, [(size.replace("x", "×"), size) for size in OUTPUT_SIZES], store.settings.output_size
        )
        fill_combo(self.rate, [(f"{rate} fps", rate) for rate in OUTPUT_RATES], store.settings.output_fps)
        bind_combo(store, self.frame_size, "output_size")
        bind_combo(store, self.rate, "output_fps")
        self.device.editingFinished.connect(lambda: store.change(virtual_camera_device=self.device.text().strip()))
        self.body.addWidget(labelled(self.tr("Size"), self.frame_size))
        self.body.addWidget(labelled(self.tr("Frame rate"), self.rate))
        self.body.addWidget(labelled(self.tr("Device"), self.device))
        self.body.addWidget(MutedLabel(self.tr("These three take effect after Mattecam restarts.")))
        self.rest = Switch(self.tr("Close the camera while nobody is watching"))
        bind_button(store, self.rest, "rest_unwatched")
        self.body.addWidget(self.rest)
        store.changed.connect(self._show)
        self._show(store.settings)

    def _show(self, settings: Settings) -> None:
        if not self.device.hasFocus():
            self.device.setText(settings.virtual_camera_device)


def _signed(pixels: int) -> str:
    return f"{pixels:+d} px".replace("-", "−") if pixels else "0 px"


def model_names() -> list[str]:
    """Every model that can be chosen: that is here and needs nothing done to it first."""
    from matting_core.model_store import ModelStore

    return [model.name for model in ModelStore().list() if model.installed and not model.needs and not model.int8_of]
