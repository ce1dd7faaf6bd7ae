"""Judgement of a siege, and its tables. Needs no packages."""


def percentile(times, share):
    """Milliseconds; `nan` without times."""
    return 1000 * sorted(times)[min(len(times) - 1, int(share * len(times)))] if times else float("nan")


def first(problems):
    return f"{len(problems)}" + (f", first {problems[0]}" if problems else "")


def judge(target, facts, good, watch):
    """Promises as `(text, kept, figure)`, attacks, and figures."""
    before, now = percentile(facts["before"], 0.99), percentile(good["times"], 0.99)
    answered, refused = len(good["times"]), good["refused"]
    bad = good["other"] + good["unanswered"]
    total = max(1, answered + refused + len(bad))
    memory = max(watch["memory"], default=float("nan"))
    slow = lambda kind: max(watch[kind], default=float("nan"))
    crashes = [f"{name}: {status} x{count}" for name, tally in facts["attacks"].items() for status, count in tally.items()
               if status in ("500", "502") or status.startswith(("FAILED", "silence"))]
    promises = [
        ("the server lives", facts["died"] is None, "yes" if facts["died"] is None else f"ended with {facts['died']}"),
        ("good answers are right", not good["wrong"], f"{first(good['wrong'])} wrong of {answered:,}"),
        ("good requests are answered, or refused with Retry-After", len(bad) <= total // 100, f"{first(bad)} not, of {total:,}"),
        ("p99 of good clients at most twice that before", now <= 2 * before, f"{now:.1f} ms, before {before:.1f} ms"),
        ("health within 1 s", slow("health") <= 1, f"slowest {slow('health'):.2f} s"),
        ("memory within the bound", memory <= facts["bound"] and not watch["killed"], f"most {memory:,.0f} MB of {facts['bound']:,}"),
    ]
    if target.cupola:
        seconds, code = facts["ended"]
        promises += [
            ("administration within 1 s", slow("admin") <= 1, f"slowest {slow('admin'):.2f} s"),
            ("health and administration answer 200", not watch["silent"], f"{first(watch['silent'])} not"),
            ("no 500, no silence for a minute", not crashes, first(crashes)),
            ("nothing acknowledged is lost by kill -9", not facts["lost"], f"{first(facts['lost'])} lost of {len(good['acknowledged']):,}"),
            ("SIGTERM ends it in time with code 0", code == 0 and seconds <= 35, f"{seconds:.1f} s, code {code}"),
            ("aliases move and models reload", not facts["failed"], f"{first(facts['failed'])} failed of {facts['moves']}"),
        ]
    figures = {"p50": percentile(good["times"], 0.5), "p99": now, "p50 before": percentile(facts["before"], 0.5), "p99 before": before,
               "refused": refused / total, "unanswered": len(bad) / total, "answered": answered, "memory": memory, "idle": facts["idle"],
               "capacity": facts["capacity"], "seconds": facts["seconds"], "full disk": facts["full"],
               "writers": {key: value for key, value in good.items() if key.startswith(("feedback", "row "))}}
    return {"server": target.name, "kept": all(kept for _, kept, _ in promises), "promises": promises, "attacks": facts["attacks"], "figures": figures}


def show(outcomes):
    for outcome in outcomes:
        f = outcome["figures"]
        print(f"\n## {outcome['server']}: {f['seconds']:.0f} s under siege, capacity {f['capacity']:.0f} requests of 64 rows per second\n")
        if outcome["server"] == "cupola" and not f["full disk"]:
            print("skipped: the full disk (a tmpfs needs root)\n")
        print("| promise | kept | figure |\n|---|---|---|")
        for text, kept, figure in outcome["promises"]:
            print(f"| {text} | {'yes' if kept else 'NO'} | {figure} |")
        print("\n| attack | sent per second | came back |\n|---|---:|---|")
        for name, tally in outcome["attacks"].items():
            more = ", ".join(f"{key}: {value:,}" for key, value in sorted(tally.items()) if key != "sent")
            print(f"| {name} | {tally.get('sent', 0) / f['seconds']:,.0f} | {more} |")
        for key, value in f["writers"].items():
            print(f"writers: {key}: {value}")
    print("\n| under siege | p50 ms (before) | p99 ms (before) | refused with Retry-After | not answered | most MB (before) |\n|---|---:|---:|---:|---:|---:|")
    for outcome in outcomes:
        f = outcome["figures"]
        print(f"| {outcome['server']} | {f['p50']:.1f} ({f['p50 before']:.1f}) | {f['p99']:.1f} ({f['p99 before']:.1f}) | {f['refused']:.1%} | {f['unanswered']:.1%} | {f['memory']:,.0f} ({f['idle']:,.0f}) |")
