"""Inputs from which `scripts/fuzz` starts, for the readers of tests/fuzz/src/readers.rs. Needs no packages."""
import gzip
import io
import json
import pathlib
import struct
import zipfile

import arrow
import payloads

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMPORT = ROOT / "crates/import/src/golden"
READERS = ["arrow", "grpc", "picture", "schema", "chat", "tokenizer", "folder", "workbook", "table", "dvc", "pushed", "feedback", "token", "xgboost", "lightgbm"]
SHEET = """<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:B2"/><sheetData>
<row r="1"><c r="A1" t="inlineStr"><is><t>x</t></is></c><c r="B1" t="s"><v>0</v></c></row>
<row r="2"><c r="A2"><v>1.5</v></c><c r="%s"><v>7</v></c></row></sheetData></worksheet>"""
TEMPLATES = [
    "{% for m in messages %}<|{{ m.role }}|>{{ m['content'] | trim }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "{%- set ns = namespace(n=0) -%}{%- for m in messages[1:] -%}{%- set ns.n = ns.n + loop.index0 -%}{%- endfor -%}{{ ns.n }}{{ tools | tojson(indent=2) }}",
    "{% macro f(x) %}{{ x.split(' ')[0].strip() ~ '%5d' % 3 }}{% endmacro %}{{ f(messages[0].content) }}{{ '{:>9}'.format(1) }}{% if not messages %}{{ raise_exception('none') }}{% endif %}",
    "{{ range(10) | list | join(',') }}{{ 'a' * 20 }}{{ bos_token | upper | replace('S', 'T') | indent(4) }}{{ messages | map(attribute='role') | list }}",
]
TOKENIZERS = [
    {"model": {"type": "WordLevel", "vocab": {f"w{i}": i for i in range(37)}, "unk_token": "w0"}, "pre_tokenizer": {"type": "WhitespaceSplit"}},
    {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "<unk>": 3}, "merges": ["a b"], "unk_token": "<unk>"},
     "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": "a+"}, "content": "bb"}]},
     "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, "decoder": {"type": "ByteLevel"}},
    {"model": {"type": "WordPiece", "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "the": 3, "##s": 4}, "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100},
     "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "lowercase": True}, "pre_tokenizer": {"type": "BertPreTokenizer"},
     "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
                        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]}}}},
    {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["\u2581a", -1.5], ["b", -2.0]], "byte_fallback": False},
     "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}},
]
SCHEMAS = [
    {"type": "object", "required": ["a"], "additionalProperties": False, "properties": {"a": {"enum": [1, "x"]}, "b": {"$ref": "#/$defs/b"}, "c": {"type": "string", "pattern": "^a+$", "maxLength": 9}},
     "$defs": {"b": {"type": ["null", "integer"], "minimum": -3, "maximum": 10}}},
    {"type": "array", "items": {"anyOf": [{"type": "number", "multipleOf": 0.5}, {"const": None}]}, "minItems": 1, "maxItems": 3, "uniqueItems": False},
    {"allOf": [{"type": "object", "patternProperties": {"^x": {"type": "boolean"}}}, {"properties": {"y": {"type": "string", "format": "date-time"}}}]},
    {"oneOf": [{"type": "string", "minLength": 2}, {"type": "integer", "exclusiveMinimum": 0}], "$defs": {"a": {"$ref": "#/$defs/a"}}},
]


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return out.getvalue()


def workbook(last="B2"):
    """Smallest workbook; `last` is the place of its last cell."""
    office = "http://schemas.openxmlformats.org"
    relation = lambda n, kind, target: f'<Relationship Id="rId{n}" Type="{office}/officeDocument/2006/relationships/{kind}" Target="{target}"/>'
    relations = lambda *all: f'<Relationships xmlns="{office}/package/2006/relationships">{"".join(all)}</Relationships>'
    book = f'<workbook xmlns="{office}/spreadsheetml/2006/main" xmlns:r="{office}/officeDocument/2006/relationships"><sheets><sheet name="s" sheetId="1" r:id="rId1"/></sheets></workbook>'
    return zipped({
        "[Content_Types].xml": f'<Types xmlns="{office}/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": relations(relation(1, "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": book,
        "xl/_rels/workbook.xml.rels": relations(relation(1, "worksheet", "worksheets/sheet1.xml"), relation(2, "sharedStrings", "sharedStrings.xml")),
        "xl/sharedStrings.xml": f'<sst xmlns="{office}/spreadsheetml/2006/main" count="1" uniqueCount="1"><si><t>y</t></si></sst>',
        "xl/worksheets/sheet1.xml": SHEET % last,
    })


def spreadsheet():
    cell = lambda value, repeat="": f'<table:table-cell office:value-type="float" office:value="{value}"{repeat}><text:p>{value}</text:p></table:table-cell>'
    names = "".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0" ' for name in ("office", "table", "text"))
    rows = "".join(f"<table:table-row>{cell(i)}{cell(i, ' table:number-columns-repeated=%s' % chr(34) + '2' + chr(34))}</table:table-row>" for i in range(2))
    content = f'<office:document-content {names}><office:body><office:spreadsheet><table:table table:name="s">{rows}</table:table></office:spreadsheet></office:body></office:document-content>'
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = f'<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>'
    return zipped({"mimetype": kind, "META-INF/manifest.xml": manifest, "content.xml": content})


def field(number, value):
    """Protobuf field: up to 16,383 bytes, or a small number."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    size = [len(value)] if len(value) < 128 else [len(value) & 127 | 128, len(value) >> 7]
    return bytes([number << 3 | 2, *size]) + value


def grpc():
    tensor = lambda name, kind, *shape: field(1, name) + field(2, kind) + field(3, bytes(shape))
    infer = lambda model, *fields: field(1, model) + b"".join(field(number, value) for number, value in fields)
    contents = field(5, struct.pack("<2f", 1.5, 2.5))
    return [
        b"\0" + infer(b"digits", (5, tensor(b"pixels", b"FP32", 1, 1, 8, 8)), (7, struct.pack("<64f", *range(64)))),
        b"\0" + infer(b"census_nano", (5, tensor(b"age", b"FP32", 2, 1) + field(5, contents)), (6, field(1, b"income"))),
        b"\0" + infer(b"census_nano", (5, tensor(b"workclass", b"BYTES", 1, 1)), (7, struct.pack("<I", 7) + b"Private")),
        b"\1" + field(1, b"talk"), b"\2" + field(1, b"digits"), b"\3" + field(1, b"digits") + field(2, b"1"), b"\4" + field(2, 1), b"\5" + field(2, b"digits"),
    ]


def tokens():
    golden = json.loads((ROOT / "crates/serving/src/access/golden/jwt.json").read_text())
    keys = next((value for value in golden.values() if isinstance(value, dict) and "keys" in value), {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}]})
    texts = [text for text in json.dumps(golden).split('"') if text.count(".") == 2 and len(text) > 60][:8]
    return [json.dumps(keys).encode() + b"\0" + text.encode() for text in texts or ["eyJhbGciOiJFZERTQSJ9.e30.AAAA"]]


def pictures():
    lines = [bytes((x * y) % 256 for x in range(8)) for y in range(8)]
    return [payloads.png(8, 8, lines), payloads.gif(1, 1), payloads.gif(20, 20, 2), payloads.bmp(1, 1), payloads.webp(1), payloads.png(4, 4, claim=(5, 5))]


def folders():
    dump = lambda value: json.dumps(value).encode()
    models = [json.loads((IMPORT / f"{name}.json").read_text())["config"] for name in ("llama", "llama3", "bert_classes")]
    generation = {"temperature": 0.6, "top_p": 0.9, "eos_token_id": [2, 3], "max_new_tokens": 9}
    special = {"chat_template": TEMPLATES[0], "bos_token": "<s>", "eos_token": {"content": "</s>"}, "add_bos_token": True}
    return [b"\0".join(map(dump, (config, {"version": "1.0", **TOKENIZERS[0]}, generation, special))) for config in models]


def seeds(reader):
    """Valid inputs of a reader, and a few that claim more than they have."""
    left = [b"", b'{"id": "a", "value": 1}\n', b'{"request": "a", "row": 1, "targets": {"y": 1}}\n{"req', b'{"id": "a", "va', b"\n\n", b"\xff\0\n"]
    dvc = b"outs:\n- md5: %s\n  size: 4\n  hash: md5\n  path: %s\n"
    return {
        "arrow": lambda: [(ROOT / "tests/fuzz/rows.arrow").read_bytes(), arrow.null_stream(["age"], 2, 3), arrow.null_stream(["age", "workclass"], 40, 100)],
        "grpc": grpc,
        "picture": pictures,
        "schema": lambda: [json.dumps(schema).encode() for schema in SCHEMAS],
        "chat": lambda: [template.encode() + b"\0a b c" for template in TEMPLATES],
        "tokenizer": lambda: [json.dumps({"version": "1.0", **tokenizer}).encode() for tokenizer in TOKENIZERS],
        "folder": folders,
        "workbook": lambda: [b"\0" + workbook(), b"\0" + workbook("XFD1048576"), b"\2" + spreadsheet()],
        "table": lambda: [b"\0x,y\n1,a\n2,\"b\n\"\n", b'\1{"x": 1, "y": [1, {"z": null}]}\n{"x": 2}\n', b"\4" + gzip.compress(b"x\n1\n", mtime=0),
                          b"\3" + (ROOT / "tests/fuzz/rows.arrow").read_bytes(), b"\2PAR1\x15\4\x15\0\0\0PAR1"],
        "dvc": lambda: [dvc % (b"a" * 32, b"a.csv"), dvc % (b"a" * 32 + b".dir", b"folder") + b'\0[{"md5": "' + b"b" * 32 + b'", "relpath": "x.csv"}]', dvc % (b"../../x", b"/etc/passwd")],
        "pushed": lambda: left,
        "feedback": lambda: left,
        "token": tokens,
        "xgboost": lambda: [(IMPORT / "trees" / name).read_bytes() for name in ("xgboost_categories.json", "xgboost_dart.json", "xgboost_classes.ubj")],
        "lightgbm": lambda: [(IMPORT / "trees" / f"lightgbm_{name}.txt").read_bytes() for name in ("categories", "zero", "forest")],
    }[reader]()


if __name__ == "__main__":
    for reader in READERS:
        print(reader, [len(seed) for seed in seeds(reader)])
