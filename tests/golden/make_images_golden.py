"""Writes images/ (small pictures of every kind) and images/golden.json: what Pillow and transformers' Pillow-based image
processors make of them. The tests of models/images compare with these; CI needs no Python.

Usage: python make_images_golden.py          (in this folder; needs `pip install numpy pillow transformers torch`)

"decoded": the RGB picture, 8 bits, of each file, transparency over white and EXIF applied. "oriented": the same of one
JPEG with each of the eight orientations in its EXIF. "processed": pixel values, f32, of (settings, picture).
"resized": Pillow's resize alone. Numbers are bytes in hexadecimal.
"""
import io
import json
import os
import struct
import zlib

import numpy as np
import PIL
import transformers
from PIL import Image, ImageOps
from transformers.image_transforms import convert_to_rgb
from PIL.PngImagePlugin import PngInfo
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

ORIENTATION = 0x0112
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Make="x" tiff:Orientation%s/></x:xmpmeta>'


def picture(width, height, seed, channels=3):
    """Smooth colours with noise and hard edges, so that filters over- and undershoot."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 120 * np.sin((x * (c + 1) + y * (3 - c)) / 5.0 + c) for c in range(channels)]
    values = np.stack(waves, -1) + random.integers(-20, 21, (height, width, channels))
    values[height // 3 : height // 2] = 255
    values[:, width // 2 : width // 2 + 2] = 0
    return np.clip(values, 0, 255).astype(np.uint8)


def interlaced_png(rgb):
    """Adam7, which Pillow reads but does not write."""
    height, width, _ = rgb.shape
    lines = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        part = rgb[y0::dy, x0::dx]
        if part.shape[1]:
            lines += b"".join(b"\0" + row.tobytes() for row in part)
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def write_pictures(folder):
    """Yields the names of the files."""
    def save(name, image, **options):
        image.save(f"{folder}/{name}", **options)
        return name

    rgb = Image.fromarray(picture(23, 17, 1))
    alpha = Image.fromarray(picture(19, 13, 2, 4), "RGBA")
    grey = Image.fromarray(picture(13, 21, 3, 1)[..., 0])
    yield save("rgb.jpg", Image.fromarray(picture(37, 29, 4)), quality=90)
    yield save("no_subsampling.jpg", rgb, quality=85, subsampling=0)
    yield save("progressive.jpg", Image.fromarray(picture(33, 18, 5)), quality=70, progressive=True)
    yield save("grey.jpg", grey, quality=80)
    yield save("cmyk.jpg", Image.fromarray(picture(15, 11, 6, 4), "CMYK"), quality=90)
    yield save("rgb.png", rgb)
    yield save("rgba.png", alpha)
    yield save("grey.png", grey)
    yield save("grey_alpha.png", Image.fromarray(picture(9, 7, 7, 2), "LA"))
    yield save("two_colours.png", grey.point(lambda v: 255 if v > 127 else 0).convert("1"))
    few = rgb.quantize(7)
    yield save("palette.png", few)
    yield save("palette_clear.png", few, transparency=2)
    yield save("palette_alpha.png", few, transparency=bytes([0, 50, 100, 150, 200, 250, 255]))
    yield save("rgb_key.png", Image.fromarray(picture(11, 9, 8) // 64 * 64), transparency=(192, 128, 64))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    yield save("turned.jpg", Image.fromarray(picture(16, 8, 9)), exif=exif, quality=95)
    exif[ORIENTATION] = 8
    yield save("turned.png", Image.fromarray(picture(7, 5, 10)), exif=exif)
    yield save("dot.png", Image.fromarray(picture(1, 1, 11)))
    yield save("column.png", Image.fromarray(picture(1, 40, 12)))
    yield save("row.jpg", Image.fromarray(picture(50, 1, 13)), quality=90)
    yield save("xmp.jpg", Image.fromarray(picture(17, 9, 16)), xmp=(XMP % '="6"').encode())
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    yield save("exif_and_xmp.jpg", Image.fromarray(picture(17, 9, 17)), exif=exif, xmp=(XMP % ">5<").encode())
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP % ">7<")
    yield save("xmp.png", Image.fromarray(picture(8, 5, 18)), pnginfo=text)
    with open(f"{folder}/interlaced.png", "wb") as file:
        file.write(interlaced_png(picture(13, 11, 14)))
    yield "interlaced.png"
    yield save("sixteen_bits.png", sixteen_bits(picture(9, 6, 15, 1)))


def sixteen_bits(grey):
    """The upper 8 bits are `grey`: what remains of it here. Pillow's own conversion clips instead; see decode.h."""
    return Image.fromarray((grey[..., 0].astype(np.uint16) << 8) + 77)


def rgb_of(image):
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return np.asarray(convert_to_rgb(ImageOps.exif_transpose(image), return_numpy=True))


def shaped(rgb):
    return {"width": rgb.shape[1], "height": rgb.shape[0], "rgb": rgb.tobytes().hex()}


def oriented(folder):
    """turned.jpg with each orientation. The tests make the same change: the file holds one short, value 6, of this tag."""
    whole = open(f"{folder}/turned.jpg", "rb").read()
    tag = struct.pack(">HHIHH", ORIENTATION, 3, 1, 6, 0)
    assert whole.count(tag) == 1
    for value in range(1, 9):
        other = whole.replace(tag, struct.pack(">HHIHH", ORIENTATION, 3, 1, value, 0))
        yield shaped(rgb_of(Image.open(io.BytesIO(other))))


def resized(folder):
    """Pillow alone: up and down, one axis, both, none."""
    for name, width, height, filter in [("rgb.jpg", 9, 7, 3), ("rgb.jpg", 80, 61, 3), ("rgb.jpg", 37, 11, 3), ("rgb.jpg", 10, 29, 3),
                                        ("rgb.jpg", 36, 28, 3), ("rgb.jpg", 1, 1, 3),
                                        ("rgb.jpg", 13, 50, 2), ("rgb.jpg", 74, 58, 2),
                                        ("rgb.png", 20, 10, 3), ("rgb.png", 20, 11, 3), ("dot.png", 5, 3, 3), ("column.png", 4, 9, 3),
                                        ("row.jpg", 17, 2, 2), ("rgb.png", 257, 3, 3)]:
        rgb = Image.fromarray(rgb_of(Image.open(f"{folder}/{name}")))
        out = np.asarray(rgb.resize((width, height), filter))
        yield {"file": name, "filter": "bicubic" if filter == 3 else "bilinear", **shaped(out)}


PROCESSORS = {
    "clip": (CLIPImageProcessorPil, {"size": {"shortest_edge": 14}, "crop_size": {"height": 14, "width": 14}}),
    "clip, crop larger than the picture": (CLIPImageProcessorPil, {"size": {"shortest_edge": 9}, "crop_size": {"height": 14, "width": 13}}),
    "clip, no resizing": (CLIPImageProcessorPil, {"do_resize": False, "crop_size": {"height": 12, "width": 15}}),
    "llava, padded": (LlavaImageProcessorPil, {"do_pad": True, "size": {"shortest_edge": 14}, "crop_size": {"height": 14, "width": 14}}),
    "vit": (ViTImageProcessorPil, {"size": {"height": 12, "width": 10}}),
    "clip, one number for a square": (CLIPImageProcessorPil, {"size": 13, "default_to_square": True, "do_pad": True, "crop_size": 12}),
    "deit": (DeiTImageProcessorPil, {"size": 18, "crop_size": 12}),
    "siglip, one number": (SiglipImageProcessorPil, {"size": 11, "do_center_crop": True, "crop_size": 11}),
    "siglip": (SiglipImageProcessorPil, {"size": {"height": 11, "width": 11}, "image_mean": [0.4, 0.5, 0.6]}),
}
PROCESSED = {
    "clip": ["rgb.jpg", "progressive.jpg", "grey.jpg", "rgba.png", "turned.jpg", "palette_alpha.png", "dot.png", "column.png", "row.jpg"],
    "clip, crop larger than the picture": ["rgb.jpg", "grey.png", "dot.png"],
    "clip, no resizing": ["rgb.jpg", "rgba.png", "column.png"],
    "llava, padded": ["rgb.jpg", "grey.png", "column.png", "no_subsampling.jpg"],
    "vit": ["rgb.jpg", "grey.png", "dot.png"],
    "clip, one number for a square": ["rgb.jpg", "xmp.jpg"],
    "deit": ["rgb.jpg", "grey.png"],
    "siglip, one number": ["rgb.jpg", "xmp.png"],
    "siglip": ["rgb.jpg", "turned.png"],
}


def processed(folder):
    for name, (kind, options) in PROCESSORS.items():
        processor = kind(**options)
        config = json.loads(processor.to_json_string())
        pictures = []
        for file in PROCESSED[name]:
            rgb = rgb_of(Image.open(f"{folder}/{file}"))  # some classes convert, some do not, and a side of 1 is taken for channels
            values = np.asarray(processor(rgb, input_data_format="channels_last")["pixel_values"][0], np.float32)
            pictures.append({"file": file, "shape": list(values.shape), "values": values.tobytes().hex()})
        yield {"name": name, "config": config, "pictures": pictures}


def main():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")
    os.makedirs(folder, exist_ok=True)
    out = {"written_by": f"pillow {PIL.__version__}, transformers {transformers.__version__}", "decoded": {}}
    for name in write_pictures(folder):
        out["decoded"][name] = shaped(rgb_of(Image.open(f"{folder}/{name}")))
    out["oriented"] = list(oriented(folder))
    out["resized"] = list(resized(folder))
    out["processed"] = list(processed(folder))
    with open(f"{folder}/golden.json", "w") as file:
        json.dump(out, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
