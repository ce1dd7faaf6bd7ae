"""Raw files as people have them: each function writes one task's data into a folder, the same for the same seed."""
import csv
import datetime
import math
import pathlib
import random
import struct
import zlib

DAY = datetime.timedelta(days=1)


def churn(folder: pathlib.Path, rows: int) -> None:
    """Table that pandas wrote with its nameless index: an id, dates with the day first, money, percentages, spellings of
    missing values, free text."""
    draw = random.Random(1)
    opinions = {
        True: ["the parcel came late and nobody answered my calls", "support closed the ticket without any help at all"],
        False: ["everything arrived on time and works as it should", "friendly people who solved the problem in a minute"],
    }
    with open(folder / "churn.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["", "customer_id", "signup", "plan", "revenue", "discount", "age", "notes", "churn"])
        for row in range(rows):
            plan = draw.choice(["free", "pro", "team"])
            revenue = draw.uniform(20, 4000)
            angry = draw.random() < 0.4
            risk = 1.5 * angry + 0.8 * (plan == "free") - revenue / 4000 + draw.gauss(0, 0.4)
            signup = datetime.date(2023, 1, 1) + draw.randrange(700) * DAY
            age = draw.choice(["N/A", "", "unknown"]) if draw.random() < 0.08 else draw.randint(18, 80)
            out.writerow([
                row, f"C-{draw.randrange(16**8):08x}", signup.strftime("%d/%m/%Y"), plan, f"${revenue:,.2f}",
                f"{draw.randrange(0, 30)}.5 %", age, f"{draw.choice(opinions[angry])}, order {draw.randrange(9999)}",
                "yes" if risk > 0.6 else "no",
            ])


def homes(folder: pathlib.Path, rows: int) -> None:
    """Regression: prices of homes, in euros with separators."""
    draw = random.Random(2)
    towns = {"north": 0.9, "south": 1.2, "harbour": 1.6}
    with open(folder / "homes.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["listing_id", "area", "rooms", "town", "built", "balcony", "price"])
        for row in range(rows):
            area, town, built = draw.uniform(30, 180), draw.choice(list(towns)), draw.randint(1920, 2023)
            price = 2000 * area * towns[town] * (1 + (built - 1920) / 300) * draw.uniform(0.93, 1.07)
            balcony = draw.choice(["true", "false"])
            out.writerow([10_000 + row, f"{area:.1f}", max(1, round(area / 28)), town, built, balcony, f"{price:,.0f} €"])


def photos(folder: pathlib.Path, each: int) -> None:
    """Folder of pictures, a subfolder for each class."""
    draw = random.Random(3)
    shapes = {
        "circle": lambda x, y: x * x + y * y < 60,
        "cross": lambda x, y: abs(x) < 3 or abs(y) < 3,
        "square": lambda x, y: 4 < max(abs(x), abs(y)) < 9,
    }
    for name, inside in shapes.items():
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(each):
            picture = shape(draw, inside)
            (folder / "photos" / name / f"{number:03}.png").write_bytes(png(picture))


def shape(draw: random.Random, inside) -> list[list[tuple[int, int, int]]]:
    """24 rows of 24 pixels: a shape at a random place, in random colours with noise."""
    left, top = draw.randint(9, 14), draw.randint(9, 14)
    front = [draw.randint(150, 255) for _ in range(3)]
    back = [draw.randint(0, 90) for _ in range(3)]

    def pixel(x: int, y: int) -> tuple[int, int, int]:
        base = front if inside(x - left, y - top) else back
        return tuple(min(255, max(0, value + draw.randint(-20, 20))) for value in base)

    return [[pixel(x, y) for x in range(24)] for y in range(24)]


def png(rows: list[list[tuple[int, int, int]]]) -> bytes:
    """PNG of 8-bit RGB pixels (ISO/IEC 15948), without filters."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in rows)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def reviews(folder: pathlib.Path, each: int) -> None:
    """Folder of texts, a subfolder for each class; both classes share most words."""
    draw = random.Random(4)
    for name in ("good", "bad"):
        (folder / "reviews" / name).mkdir(parents=True)
        for number in range(each):
            (folder / "reviews" / name / f"{number:03}.txt").write_text(review(draw, name) + "\n")


def review(draw: random.Random, name: str) -> str:
    praise = {"good": ["lovely", "spotless", "quiet", "generous"], "bad": ["awful", "dirty", "noisy", "rude"]}[name]
    thing = ["room", "breakfast", "staff", "pool", "view", "bed"]
    first, second = draw.sample(thing, 2)
    return (f"We stayed {draw.randint(2, 9)} nights in {draw.choice(['May', 'June', 'July'])}. The {first} was "
            f"{draw.choice(praise)} and the {second} {draw.choice(praise)}, we would {draw.choice(['tell', 'write'])} everyone.")


def sales(folder: pathlib.Path, days: int) -> None:
    """Sales by day, with a week and a trend."""
    draw = random.Random(5)
    with open(folder / "sales.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["day", "sold"])
        for day in range(days):
            date = datetime.date(2023, 1, 2) + day * DAY
            sold = 200 + 0.2 * day + 60 * math.sin(2 * math.pi * date.weekday() / 7) + draw.gauss(0, 12)
            out.writerow([date.isoformat(), round(sold)])


def sensors(folder: pathlib.Path, rows: int) -> None:
    """Readings of a machine whose quantities depend on each other; 1 in `fault` marks the known anomalies."""
    draw = random.Random(6)
    with open(folder / "sensors.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["reading_id", "speed", "current", "temperature", "pressure", "vibration", "fault"])
        for row in range(rows):
            fault = draw.random() < 0.05
            out.writerow([row + 1, *(f"{value:.3f}" for value in reading(draw, fault)), int(fault)])


def reading(draw: random.Random, fault: bool) -> list[float]:
    """Speed, current, temperature, pressure and vibration; a fault breaks how they depend on each other."""
    load = draw.uniform(0.2, 1.0)
    values = [3000 * load, 12 * load, 40 + 35 * load, 2 + 3 * load, 0.3 + load]
    values = [value * (1 + draw.gauss(0, 0.02)) for value in values]
    if fault:
        values[2] *= draw.uniform(1.5, 1.9)
        values[4] *= draw.uniform(2.0, 3.0)
    return values


def book(folder: pathlib.Path, sentences: int) -> None:
    """Plain text of one book."""
    draw = random.Random(7)
    who = ["The captain", "A sailor", "The old cook", "My brother", "The pilot"]
    did = ["watched", "remembered", "followed", "painted", "feared", "loved"]
    what = ["the sea", "a white whale", "the harbour lights", "the northern wind", "a long voyage"]
    when = ["at dawn", "in winter", "without a word", "before the storm", "for many years"]
    text = []
    for number in range(sentences):
        text.append(f"{draw.choice(who)} {draw.choice(did)} {draw.choice(what)} {draw.choice(when)}.")
        text.append("\n\n" if number % 8 == 7 else " ")
    (folder / "book.txt").write_text("".join(text).strip() + "\n")


def orders(folder: pathlib.Path, rows: int, month: int) -> None:
    """Orders up to a month: the file of a later month has more rows, and customers who behave otherwise."""
    draw = random.Random(8)
    with open(folder / "orders.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["order_id", "items", "value", "country", "returned"])
        for row in range(rows * month):
            items, value, country = draw.randint(1, 9), draw.uniform(5, 300), draw.choice(["de", "fr", "it"])
            patient = 0.5 if row >= rows else 0.0
            risk = value / 300 + 0.4 * (country == "fr") - patient + draw.gauss(0, 0.15)
            out.writerow([row + 1, items, f"{value:.2f}", country, "yes" if risk > 0.6 else "no"])
