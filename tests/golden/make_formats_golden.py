"""Writes image_formats/ (small WebP, GIF, TIFF and BMP pictures of every kind that is read, and some that are not) and
image_formats/golden.json: what Pillow makes of them, by transformers' convert_to_rgb as in make_images_golden.py.

Usage: python make_formats_golden.py          (in this folder; needs `pip install numpy pillow transformers torch`)

"decoded": the RGB picture of each file, in hexadecimal. "refused": files that Pillow reads and Lowland does not.
"""
import json
import os
import struct

import numpy as np
import PIL
from PIL import Image, TiffImagePlugin, features

from make_images_golden import ORIENTATION, XMP, picture, rgb_of, shaped


def bmp(name, width, height, bits, rows, packing=0, masks=b"", palette=b"", top=False, header=40):
    """Rows from the bottom on, unless `top`; each is padded to four bytes."""
    body = b"".join(row + b"\0" * (-len(row) % 4) for row in (rows if top else rows[::-1]))
    inside = masks if header > 40 else b""
    info = struct.pack("<IiiHHIIiiII", header, width, -height if top else height, 1, bits, packing, len(body), 0, 0, len(palette) // 4, 0)
    info += inside + b"\0" * (header - 40 - len(inside))
    start = 14 + len(info) + (len(masks) if header == 40 else 0) + len(palette)
    data = b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + info + (masks if header == 40 else b"") + palette + body
    open(name, "wb").write(data)


def write_bmps(folder):
    rgb, rgba = picture(11, 7, 31), picture(9, 6, 32, 4)
    yield "rgb.bmp", Image.fromarray(rgb).save(f"{folder}/rgb.bmp")
    yield "palette.bmp", Image.fromarray(rgb).quantize(9).save(f"{folder}/palette.bmp")
    yield "grey.bmp", Image.fromarray(rgb[..., 0]).save(f"{folder}/grey.bmp")
    yield "one_bit.bmp", Image.fromarray(rgb[..., 0]).convert("1").save(f"{folder}/one_bit.bmp")
    colours = np.random.default_rng(1).integers(0, 256, (16, 4), np.uint8)
    colours[:, 3] = 0
    rows = [bytes(np.random.default_rng(y).integers(0, 256, 4, np.uint8)) for y in range(5)]
    yield "four_bits.bmp", bmp(f"{folder}/four_bits.bmp", 7, 5, 4, rows, palette=colours.tobytes())
    words = np.random.default_rng(2).integers(0, 65536, (5, 7), np.uint16)
    rows = [row.tobytes() for row in words.astype("<u2")]
    yield "rgb555.bmp", bmp(f"{folder}/rgb555.bmp", 7, 5, 16, rows)
    yield "rgb565.bmp", bmp(f"{folder}/rgb565.bmp", 7, 5, 16, rows, 3, struct.pack("<III", 0xF800, 0x7E0, 0x1F))
    rows = [row.tobytes() for row in rgba]
    yield "from_top.bmp", bmp(f"{folder}/from_top.bmp", 9, 6, 32, rows, top=True)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    yield "alpha.bmp", bmp(f"{folder}/alpha.bmp", 9, 6, 32, rows, 3, masks, header=108)


def write_gifs(folder):
    rgb = Image.fromarray(picture(19, 14, 33))
    few = rgb.quantize(12)
    yield "palette.gif", few.save(f"{folder}/palette.gif")
    yield "grey.gif", rgb.convert("L").save(f"{folder}/grey.gif")
    yield "clear.gif", few.save(f"{folder}/clear.gif", transparency=3)
    yield "interlaced.gif", few.save(f"{folder}/interlaced.gif", interlace=True)
    yield "straight.gif", few.save(f"{folder}/straight.gif", interlace=False)
    others = [Image.fromarray(picture(19, 14, s)).quantize(12) for s in (34, 35)]
    yield "several.gif", few.save(f"{folder}/several.gif", save_all=True, append_images=others, duration=40)
    # A picture of 8 x 5 at (4, 3) of a canvas of 19 x 14, with a colour table of its own; without and with a clear index.
    small = Image.fromarray(picture(8, 5, 36)).quantize(12)
    small.save(f"{folder}/part.gif", interlace=False)
    part = open(f"{folder}/part.gif", "rb").read()
    part = part[:6] + struct.pack("<HH", 19, 14) + part[10:]
    at = part.index(b"\x2c" + struct.pack("<HHHH", 0, 0, 8, 5))
    part = part[: at + 1] + struct.pack("<HH", 4, 3) + part[at + 5 :]
    yield "part.gif", open(f"{folder}/part.gif", "wb").write(part)
    control = b"\x21\xf9\x04\x01\x00\x00" + bytes([2]) + b"\x00"
    yield "part_clear.gif", open(f"{folder}/part_clear.gif", "wb").write(part[:at] + control + part[at:])


def write_webps(folder):
    rgb, rgba = Image.fromarray(picture(21, 15, 37)), Image.fromarray(picture(17, 12, 38, 4), "RGBA")
    yield "lossy.webp", rgb.save(f"{folder}/lossy.webp", quality=80)
    yield "lossless.webp", rgb.save(f"{folder}/lossless.webp", lossless=True)
    yield "alpha.webp", rgba.save(f"{folder}/alpha.webp", lossless=True)
    yield "lossy_alpha.webp", rgba.save(f"{folder}/lossy_alpha.webp", quality=70)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    yield "turned.webp", rgb.save(f"{folder}/turned.webp", lossless=True, exif=exif)
    yield "xmp.webp", rgb.save(f"{folder}/xmp.webp", lossless=True, xmp=(XMP % '="8"').encode())
    others = [Image.fromarray(picture(21, 15, s)) for s in (39, 40)]
    yield "several.webp", rgb.save(f"{folder}/several.webp", save_all=True, append_images=others, lossless=True, duration=40)


def write_tiffs(folder):
    rgb, rgba, grey = Image.fromarray(picture(20, 13, 41)), Image.fromarray(picture(20, 13, 42, 4), "RGBA"), None
    grey = rgb.convert("L")
    for packing in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield f"{packing}.tif", rgb.save(f"{folder}/{packing}.tif", compression=None if packing == "raw" else packing)
    yield "alpha.tif", rgba.save(f"{folder}/alpha.tif", compression="tiff_lzw")
    yield "grey.tif", grey.save(f"{folder}/grey.tif", compression="tiff_lzw")
    yield "grey_alpha.tif", Image.fromarray(picture(9, 7, 43, 2), "LA").save(f"{folder}/grey_alpha.tif")
    yield "one_bit.tif", grey.convert("1").save(f"{folder}/one_bit.tif", compression="group4")
    yield "white_is_0.tif", grey.save(f"{folder}/white_is_0.tif", tiffinfo={262: 0})
    yield "palette.tif", rgb.quantize(20).save(f"{folder}/palette.tif", compression="tiff_lzw")
    yield "cmyk.tif", Image.fromarray(picture(12, 8, 44, 4), "CMYK").save(f"{folder}/cmyk.tif")
    deep = (np.asarray(grey).astype(np.uint16) << 8) + 77
    yield "sixteen_bits.tif", Image.fromarray(deep).save(f"{folder}/sixteen_bits.tif")
    for turn in (3, 6):
        info = TiffImagePlugin.ImageFileDirectory_v2()
        info[ORIENTATION] = turn
        yield f"turned_{turn}.tif", rgb.save(f"{folder}/turned_{turn}.tif", tiffinfo=info, compression="tiff_lzw")
    yield "several.tif", rgb.save(f"{folder}/several.tif", save_all=True, append_images=[rgba.convert("RGB")])
    yield "tiles.tif", open(f"{folder}/tiles.tif", "wb").write(tiled(np.asarray(rgb)))
    yield "planes.tif", open(f"{folder}/planes.tif", "wb").write(by_planes(np.asarray(rgb)))
    yield "big_end.tif", open(f"{folder}/big_end.tif", "wb").write(tiff([np.asarray(rgb).tobytes()], 20, 13, ">"))


def tiff(parts, width, height, order="<", **other):
    """A file of one directory: 8-bit RGB in the given strips, tiles or planes."""
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [8, 8, 8]), 259: (3, [1]), 262: (3, [2]), 277: (3, [3]), 278: (4, [height])}
    tags.update({int(k[1:]): v for k, v in other.items()})
    data, places = b"", []
    for part in parts:
        places.append(8 + len(data))
        data += part
    tiles = 322 in tags
    if tiles:
        del tags[278]
    tags[324 if tiles else 273] = (4, places)
    tags[325 if tiles else 279] = (4, [len(p) for p in parts])
    start = 8 + len(data) + len(data) % 2
    extra_at, entries, extra = start + 2 + 12 * len(tags) + 4, b"", b""
    for tag in sorted(tags):
        kind, values = tags[tag]
        packed = b"".join(struct.pack(order + ("H" if kind == 3 else "I"), v) for v in values)
        if len(packed) > 4:
            entries += struct.pack(order + "HHII", tag, kind, len(values), extra_at + len(extra))
            extra += packed + b"\0" * (len(packed) % 2)
        else:
            entries += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(order + "HI", 42, start)
    return head + data + b"\0" * (len(data) % 2) + struct.pack(order + "H", len(tags)) + entries + b"\0\0\0\0" + extra


def tiled(rgb):
    height, width, _ = rgb.shape
    full = np.zeros((-(-height // 16) * 16, -(-width // 16) * 16, 3), np.uint8)
    full[:height, :width] = rgb
    parts = [full[y : y + 16, x : x + 16].tobytes() for y in range(0, full.shape[0], 16) for x in range(0, full.shape[1], 16)]
    return tiff(parts, width, height, t322=(4, [16]), t323=(4, [16]))


def by_planes(rgb):
    return tiff([rgb[..., c].tobytes() for c in range(3)], rgb.shape[1], rgb.shape[0], t284=(3, [2]))


def main():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "image_formats")
    os.makedirs(folder, exist_ok=True)
    versions = f"pillow {PIL.__version__}, libwebp {features.version('webp')}, libtiff {features.version('libtiff')}"
    out = {"written_by": versions, "decoded": {}}
    for write in (write_bmps, write_gifs, write_webps, write_tiffs):
        for name, _ in write(folder):
            out["decoded"][name] = shaped(rgb_of(Image.open(f"{folder}/{name}")))
    Image.fromarray(np.float32(picture(5, 4, 45, 1)[..., 0])).save(f"{folder}/float.tif")
    Image.fromarray(picture(5, 4, 46)).convert("LAB").save(f"{folder}/lab.tif")
    out["refused"] = ["float.tif", "lab.tif"]
    with open(f"{folder}/golden.json", "w") as file:
        json.dump(out, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
