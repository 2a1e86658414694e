"""Makes the seeds in corpus/ of what the tests of the project use:  pip install onnx pillow pyarrow zstandard;  python fuzz/seeds.py

What a target once failed on lies there under a name that says so, and stays.
"""
import io
import json
import struct
from pathlib import Path

import onnx
import pyarrow
import zstandard
from PIL import Image
from pyarrow import parquet

HERE = Path(__file__).parent
PROJECT = HERE.parent
FIXTURES = PROJECT / "curate/tests/fixtures"


def seed(target, name, content):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def captions():
    def said(content, finish="stop"):
        message = {"role": "assistant", "content": content}
        return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish}]})
    seed("caption", "plain.json", said(" A photo of Anna in a red dress.\nShe smiles. "))
    seed("caption", "parts.json", said([{"type": "text", "text": "Anna-Berg's"}, {"type": "text", "text": "red hat"}]))
    seed("caption", "cut.json", said("A wom", "length"))
    seed("caption", "error.json", json.dumps({"error": {"message": "no\nsuch model", "code": 404}}))
    seed("caption", "phrases.txt", "a a photo of photo of anna_berg, ( ) \u201cAnna van Berg\u2019s\u201d hat; #ad? No. Sponsored")
    seed("caption", "sentences.txt", "Dr. Who in St. Moritz, at 3.5 km, etc. and more?! Then \u7ea2\u88d9\u3002")


def robots():
    seed("robots", "rfc9309.txt", "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\n"
         "User-Agent: foobot\nDisallow:/\nAllow:/example/page.html\n\nUser-Agent: barbot\nUser-Agent: bazbot\n"
         "Disallow: /example/page.html\n\nUser-Agent: quxbot\n")
    seed("robots", "own.txt", "\ufeffuser-agent: bolid/2.0 # ours\r\nSitemap: http://x/s.xml\rDisallow: /a%3cd\r\n"
         "Crawl-delay: 1.5\nUser-agent: *\nDisallow: /*.php?*view=full$\n")
    seed("robots", "pattern_and_path.txt", "/a*b*c$\n/aabbcc")
    seed("robots", "retry_after.txt", "Sun, 06 Nov 1994 08:49:37 GMT\n")
    seed("robots", "robots_tag.txt", "otherbot: noindex, bolid: noai, max-snippet:-1\n")


def lists():
    url = "http://a.example/1.jpg"
    seed("list", "plain.csv", f"URL,TEXT,WIDTH,HEIGHT\n{url},\"a, b\",1000,1335\n")
    seed("list", "files.csv", "file_name,caption,identity\nada/1.jpg,\"one\ntwo \"\"three\"\"\", Ada \n,,\n")
    seed("list", "open_quotes.csv", "url,text\nx,one\n\nbad,\"two\ny,three\nz,\"four, five\"\n")
    seed("list", "plain.tsv", f"url\tcaption\twidth\theight\n{url}\ta, b\t1000.0\tnan\n")
    seed("list", "plain.jsonl", f'{{"url": "{url}", "width": NaN, "height": -Infinity, "text": "NaN \\"x\\""}}\n'
         '{"url": null}\n{broken\n{"path": "a\\\\b.jpg", "caption": "caf\u00e9"}\n')
    seed("list", "plain.txt", f"# from a tool\r\n{url}\r\n\r\nftp://x y\r")
    seed("list", "utf16.csv", "\ufeffurl,identity\r\nx,Jos\u00e9\r\n".encode("utf-16-le"))


def profiles():
    for path in sorted((PROJECT / "data/sites").glob("*.toml")):
        # Without the comments: they are what is mutated otherwise.
        lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        seed("profile", path.name, "\n".join(lines) + "\n")
    seed("profile", "all.toml", """site = 'x'
base_url = 'https://x.example/'
start = ['/']
format = 'json'
hosts = ['cdn.example']
never = ['^/random']
charset = 'windows-1251'
[pace]
delay_ms = 10
[limits]
pages = 3
[index]
card = '/people'
link = { select = '/url', pattern = 'id=(\\d+)', template = 'p?id={}' }
[index.single]
slug = 'me'
[gallery]
page_parameter = { name = 'page', first = 1 }
card = ['/photos', '']
link = [{ select = '/file' }, {}]
size = [{ select = '/width' }, { select = '/height' }]
[photo]
format = 'html'
script = { select = 'script#data', after = 'var x =' }
file = [{ select = '/big' }]
""")


def pages():
    """The letter in front says by which profile a page is read (properties/page.rs)."""
    software = PROJECT / "crawler/tests/software"
    for letter, name in {"c": "fgallery/ada/data.json", "e": "igal2/ada/index.html", "f": "lazygal-sizes/ada/index.html",
                         "h": "sigal-galleria/ada/index.html"}.items():
        seed("page", name.replace("/", "_"), letter + (software / name).read_text())
    seed("page", "gallery.html", "d<base href=/x/><nav class=letters><a href='?l=b'>B</a></nav><li class=person><a href=/people/"
         "ada><span class=name>Ada</span></a></li><figure><a href=1.html><img alt=a></a><span class=size>1,024 \u00d7 768 px"
         "</span><figcaption>b</figcaption></figure><nav class=pages><a href='?p=2'>2</a></nav><a class=full href=//gallery."
         "example/1.jpg>")
    seed("page", "theplace.html", "i<meta charset=windows-1251><div class=pic-card><a class=link href=pic-1.html><img alt='\u043c'></a>"
         "<span class=size-wr>1000x1335</span></div><div class=big-photo-wrapper><a href=/1.jpg>")
    seed("page", "opt_out.html", "a<meta name=robots content='noindex, noai'>")
    seed("page", "photos.json", 'c[{"file": "a.jpg", "title": "one \\u00e9 \\"x\\""}, {"file": "b.jpg", "title": null}]')
    seed("page", "script.html", "h<script>var data = [{big: 'a.jpg', title: `x`, w: .5, n: 0x1F, /* no */ u: undefined,},];</script>")
    seed("page", "srcset.txt", "a/w_400,c_fit/a.jpg 400w, b.jpg 2x,, c.jpg 800w 600h")


def manifests():
    demo = json.loads((PROJECT / "data/locks/demo/manifest.json").read_text())
    demo["files"] = demo["files"][:2]
    seed("manifest", "demo.json", json.dumps(demo, separators=(",", ":")))
    demo["format_version"] = 1
    demo["spec"]["recipe"] = {"name": "demo", "splits": {"train": 0.8, "validation": 0.1, "test": 0.1}, "float": 1e-7}
    demo["spec"]["prepare"] = {"tensors": "image"}
    seed("manifest", "old.json", json.dumps(demo, separators=(",", ":")))
    seed("manifest", "future.json", '{"format_version": 3}')


def onnx_files():
    for name in ["people_yolo", "people_yolo_that_sees_all", "faces"]:
        model = onnx.load(FIXTURES / f"{name}.onnx")
        for weight in model.graph.initializer:
            # Weights pass through as bytes: what is read are their names and dimensions.
            weight.ClearField("raw_data")
            weight.ClearField("float_data")
        seed("onnx", f"{name}.onnx", model.SerializeToString())
        if name == "people_yolo":
            seed("onnx", "many_ways.onnx", many_ways(model.graph, model).SerializeToString())


def many_ways(graph, model):
    """64 nodes with 2^64 ways through them, all of constants, in front of the last convolution of a branch."""
    place = next(i for i, node in enumerate(graph.node) if "sides1.2" in node.output)
    last = graph.node[place]
    weight = graph.initializer[0].name
    names = [weight] + [f"way{i}" for i in range(64)]
    nodes = [onnx.helper.make_node("Sub", [before, before], [after]) for before, after in zip(names, names[1:])]
    nodes.append(onnx.helper.make_node("Add", [last.input[0], names[-1]], ["with_ways"]))
    last.input[0] = "with_ways"
    for node in reversed(nodes):
        graph.node.insert(place, node)
    return model


def photos():
    image = Image.open(FIXTURES / "subsampled.jpg").resize((40, 24))

    def saved(format, image=image, **options):
        out = io.BytesIO()
        image.save(out, format, **options)
        return out.getvalue()

    jpeg = saved("JPEG", quality=60)
    seed("photo", "subsampled.jpg", jpeg)
    seed("photo", "without_end.jpg", jpeg[:-2])
    seed("photo", "cut.jpg", jpeg[:-60])
    seed("photo", "along_x.jpg", saved("JPEG", quality=60, subsampling="4:2:2"))
    seed("photo", "restarts.jpg", saved("JPEG", quality=60, restart_marker_blocks=1))
    seed("photo", "grey.jpg", saved("JPEG", image.convert("L"), quality=60))
    progressive = saved("JPEG", quality=60, progressive=True)
    seed("photo", "progressive.jpg", progressive)
    seed("photo", "progressive_without_end.jpg", progressive[:-2])
    for name in ["turned_with_restarts", "luma_coarser", "progressive_late"]:
        seed("photo", f"{name}.jpg", (FIXTURES / f"jpeg/{name}.jpg").read_bytes())
    for name in ["cmyk", "cmyk_without_adobe_marker", "ycck"]:
        seed("photo", f"{name}.jpg", (FIXTURES / f"{name}.jpg").read_bytes())
    for name in ["adobe_by_exif", "p3_in_segments", "grey"]:
        seed("photo", f"colour_{name}.jpg", (FIXTURES / f"colour/{name}.jpg").read_bytes())
    for name in ["adobe_tiff.tif", "code_points.png", "gamma_and_primaries.png", "p3_png.png", "p3_webp.webp",
                 "prophoto_16_bit.png", "grey_png.png"]:
        seed("photo", name, (FIXTURES / "colour" / name).read_bytes())
    for name in ["lossy", "boxed", "clear", "moving"]:
        seed("photo", f"{name}.jxl", (FIXTURES / f"jxl/{name}.jxl").read_bytes())
    seed("photo", "p3_jxl.jxl", (FIXTURES / "colour/p3_jxl.jxl").read_bytes())
    small = image.resize((12, 10))
    seed("photo", "plain.png", saved("PNG", small))
    seed("photo", "palette.png", saved("PNG", small.quantize(8), transparency=1))
    seed("photo", "plain.gif", saved("GIF", small.quantize(8)))
    seed("photo", "moving.gif", saved("GIF", small.quantize(8), save_all=True, append_images=[small.quantize(4)]))
    seed("photo", "plain.bmp", saved("BMP", small))
    seed("photo", "plain.webp", saved("WEBP", small))
    seed("photo", "lossless.webp", saved("WEBP", small, lossless=True))
    seed("photo", "moving.webp", saved("WEBP", small, save_all=True, append_images=[small.rotate(90)]))
    for compression in [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "group4"]:
        of = small.convert("1") if compression == "group4" else small
        seed("photo", f"{compression or 'plain'}.tif", saved("TIFF", of, compression=compression))
    seed("photo", "inks.tif", saved("TIFF", small.convert("CMYK")))


def parquet_files():
    photos = pyarrow.table({"URL": ["http://a/1.jpg", "http://a/2.jpg", "http://a/2.jpg"], "TEXT": ["a walk", None, "b"],
                            "width": [1000, None, 800.5], "height": pyarrow.array([1, 2, 3], "int32"),
                            "list": [[1], [], [2, 3]]})
    digest = "0123456789abcdef" * 4
    measured = pyarrow.table({name: pyarrow.array([value] * 2, "string") for name, value in
                              {"sha256": digest, "kind": "faces", "probe": digest, "value": "[]"}.items()})
    for table, name in [(photos, "photos"), (measured, "measurements")]:
        for codec in ["none", "snappy", "gzip", "zstd", "lz4", "brotli"] if name == "photos" else ["none"]:
            out = io.BytesIO()
            schema = table.schema.remove_metadata()
            parquet.write_table(table.cast(schema), out, compression=codec, store_schema=False, write_statistics=False)
            seed("parquet", f"{name}_{codec}.parquet", out.getvalue())
    out = io.BytesIO()
    parquet.write_table(photos, out, use_dictionary=False, data_page_version="2.0", store_schema=False,
                        column_encoding={"URL": "DELTA_BYTE_ARRAY", "height": "DELTA_BINARY_PACKED"})
    seed("parquet", "encodings.parquet", out.getvalue())


def tensor_file(tensors, metadata=None):
    """A safetensors file of names with (type, shape, bytes)."""
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def safetensors():
    def floats(*shape):
        count = 1
        for side in shape:
            count *= side
        return ("F32", list(shape), struct.pack(f"<{count}f", *range(count)))

    embedding = {"mean": floats(4), "log_variance": floats(4)}
    seed("safetensors", "embedding", tensor_file(embedding, {
        "format": "bolid-c-body-v1", "run": "0a1b2c3d4e5f", "model": "0123456789abcdef" * 4, "views": "8",
        "identity": "demo/ada"}))
    unet = "unet.mid_block.attentions.0.proj_in"
    seed("safetensors", "lora", tensor_file(
        {f"{unet}.lora_A.weight": floats(2, 3), f"{unet}.lora_B.weight": floats(3, 2)},
        {"lora_adapter_metadata": '{"unet.lora_alpha": 2, "unet.use_rslora": true, "unet.alpha_pattern": {"x": NaN}}'}))
    seed("safetensors", "kohya", tensor_file({
        "lora_te1_a.lora_down.weight": floats(1, 2), "lora_te1_a.lora_up.weight": floats(2, 1),
        "lora_te1_a.lora_mid.weight": floats(1, 1, 1, 1), "lora_te1_a.alpha": floats()}))
    adapter = {"image_proj.proj.weight": floats(4, 2), "image_proj.proj.bias": floats(4),
               "image_proj.norm.weight": floats(2), "image_proj.norm.bias": floats(2)}
    adapter |= {f"ip_adapter.1.to_{part}_ip.weight": floats(3, 2) for part in "kv"}
    seed("safetensors", "adapter", tensor_file(adapter))
    types = {"F64": 8, "BF16": 2, "F16": 2, "F8_E4M3": 1, "I64": 8, "I32": 4, "I16": 2, "U32": 4, "U8": 1, "BOOL": 1}
    seed("safetensors", "types", tensor_file({name: (name, [2, 1], bytes(2 * width)) for name, width in types.items()}))
    # As `snapshot::shard` writes them: two photos of 2 px.
    shapes = {"joints": ("F32", [2, 17, 3], 4), "confidence": ("F32", [2, 17], 4), "image": ("U8", [2, 3, 2, 2], 1),
              "weighted": ("U8", [2, 3, 2, 2], 1)}
    entries, at = [], 0
    for name, (dtype, shape, width) in shapes.items():
        count = width
        for side in shape:
            count *= side
        entry = {"data_offsets": [at, at + count], "dtype": dtype, "shape": shape}
        entries.append(f'"{name}":{json.dumps(entry, separators=(",", ":"))}')
        at += count
    text = ("{" + ",".join(entries) + "}").encode()
    text += b" " * (-len(text) % 8)
    head = struct.pack("<Q", len(text)) + text
    seed("safetensors", "shard", head + bytes(at))
    # Compressed: the header, joints and confidence, then each photo of each tensor; behind them a table.
    contents = [head, bytes(2 * 17 * 4 * 4)] + [bytes(range(12))] * 4
    frames = [zstandard.ZstdCompressor(write_checksum=True).compress(content) for content in contents]
    table = b"".join(struct.pack("<II", len(frame), len(content)) for frame, content in zip(frames, contents))
    table += struct.pack("<IBI", len(frames), 0, 0x8F92EAB1)
    seed("safetensors", "shard_compressed", b"".join(frames) + struct.pack("<II", 0x184D2A5E, len(table)) + table)

    def header(text):
        return struct.pack("<Q", len(text)) + text.encode()

    # Refused: what was once taken for a tensor, or could have been.
    seed("safetensors", "refused_no_shape_and_no_length", header(
        '{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[9,4]}}'))
    seed("safetensors", "refused_end_that_wraps", header(
        '{"a":{"dtype":"U8","shape":[4],"data_offsets":[18446744073709551600,18446744073709551604]}}'))
    seed("safetensors", "refused_overlap", header(
        '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}') + bytes(4))


def configurations():
    demo = PROJECT / "data/models/tiny-sd"
    for path in ["unet/config.json", "vae/config.json", "text_encoder/config.json", "image_encoder/config.json",
                 "scheduler/scheduler_config.json"]:
        seed("configuration", path.replace("/", "_"), json.dumps(json.loads((demo / path).read_text()), separators=(",", ":")))
    seed("configuration", "dpm.json", '{"_class_name":"DPMSolverMultistepScheduler","beta_schedule":"squaredcos_cap_v2",'
         '"use_karras_sigmas":true,"solver_order":1,"lambda_min_clipped":-Infinity,"timestep_spacing":"trailing",'
         '"prediction_type":"v_prediction","steps_offset":1}')
    seed("configuration", "euler.json", '{"_class_name":"EulerDiscreteScheduler","trained_betas":[0.1,0.2],'
         '"rescale_betas_zero_snr":true,"final_sigmas_type":"sigma_min","_use_default_values":["x"]}')
    seed("configuration", "sdxl.json", '{"in_channels":4,"out_channels":4,"block_out_channels":[32,64],"down_block_types":'
         '["DownBlock2D","CrossAttnDownBlock2D"],"up_block_types":["CrossAttnUpBlock2D","UpBlock2D"],"layers_per_block":2,'
         '"attention_head_dim":[4,8],"transformer_layers_per_block":[1,2],"cross_attention_dim":[16,16],"addition_embed_type":'
         '"text_time","addition_time_embed_dim":8,"projection_class_embeddings_input_dim":80,"use_linear_projection":true}')
    # Refused: they would fill the memory, or have no number that says what they mean.
    seed("configuration", "refused_timesteps.json", '{"num_train_timesteps":1000000000000000000}')
    seed("configuration", "refused_single_timestep_stretched.json", '{"num_train_timesteps":1,"rescale_betas_zero_snr":true}')
    seed("configuration", "refused_offset.json", '{"steps_offset":18446744073709551615}')
    seed("configuration", "refused_resolutions.json", json.dumps({"block_out_channels": [32] * 70}))


def tokenizers():
    own = PROJECT / "train/tests/data/tokenizer"
    seed("tokenizer", "fast.json", json.dumps(json.loads((own / "fast/tokenizer.json").read_text()), separators=(",", ":")))
    vocabulary = json.loads((own / "vocab.json").read_text())
    few = {token: number for token, number in vocabulary.items() if number < 40 or token.startswith("<|")}
    seed("tokenizer", "vocabulary", json.dumps(few) + "\0" + (own / "merges.txt").read_text())


for make in [captions, robots, lists, profiles, pages, manifests, onnx_files, photos, parquet_files, safetensors, configurations,
             tokenizers]:
    make()
