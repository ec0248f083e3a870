"""Small pictures of background files, made on any thread."""

from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage, QImageReader

from matting_core.errors import MediaError


def load_thumbnail(path: Path, size: QSize, is_video: bool) -> QImage:
    """The picture, or the video's first frame, filling `size` with what sticks out cut off at the middle.

    Raises MediaError if the file cannot be decoded, which also makes this the test of a file before it is added.
    """
    image = _first_frame(path) if is_video else _picture(path, size)
    filled = image.scaled(
        size, Qt.AspectRatioMode.KeepAspectRatioByExpanding, Qt.TransformationMode.SmoothTransformation
    )
    left, top = (filled.width() - size.width()) // 2, (filled.height() - size.height()) // 2
    return filled.copy(left, top, size.width(), size.height())


def _picture(path: Path, size: QSize) -> QImage:
    reader = QImageReader(str(path))
    reader.setDecideFormatFromContent(True)
    reader.setAutoTransform(True)
    whole = reader.size()
    if whole.isValid():
        # A JPEG decoder scales while it reads: a 50-megapixel photograph costs little more than a small one.
        reader.setScaledSize(whole.scaled(size * 2, Qt.AspectRatioMode.KeepAspectRatioByExpanding))
    image = reader.read()
    if image.isNull():
        raise MediaError(
            f"{path.name} is not a readable picture ({reader.errorString()}).", "Use a JPEG, PNG or WebP file."
        )
    return image


def _first_frame(path: Path) -> QImage:
    from matting_core.video_loop import VideoLoop  # brings PyAV, which the window opens without

    loop = VideoLoop(path)
    try:
        pixels = loop.next()[0]
    finally:
        loop.close()
    height, width = pixels.shape[:2]
    # copy(): the QImage only borrows the array.
    return QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_BGR888).copy()
