"""Opens the monitor's page and report in a real Chromium, and holds them to what they promise.

Usage: run.py MONITOR_PROGRAM HOSTILE_EVENTS

No message on the console, no request to another host, charts that are there and follow, and no
string from outside that is carried out.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import time

from playwright.sync_api import sync_playwright

monitor, hostile = sys.argv[1], sys.argv[2]
problems = []


def check(what, ok, more=""):
    print(f"{'ok  ' if ok else 'FAIL'} {what} {more}")
    if not ok:
        problems.append(what)


def started(*arguments):
    """The program, and the address of its page."""
    run = subprocess.Popen([monitor, "monitor", "--plain", "--serve", *arguments], stderr=subprocess.PIPE, text=True)
    for line in run.stderr:
        found = re.match(r"page: (http://\S+)", line)
        if found:
            return run, found[1]
    sys.exit("error: the monitor opened no page")


def watched(page, own):
    """Collects what a page does that it should not."""
    seen = {"console": [], "foreign": [], "dialogs": []}
    page.on("console", lambda message: seen["console"].append(message.text))
    page.on("pageerror", lambda error: seen["console"].append(str(error)))
    page.on("request", lambda request: seen["foreign"].append(request.url) if not request.url.startswith(own) else None)
    page.on("dialog", lambda dialog: (seen["dialogs"].append(dialog.message), dialog.dismiss()))
    return seen


def lines_of(page, chart):
    return page.eval_on_selector_all(f"#{chart} path", "all => all.map(one => one.getAttribute('d'))")


def drawn(page):
    """How long the page takes to draw as much as it ever gets: 1,441 points and 400 events."""
    return page.evaluate("""async () => {
        const view = await (await fetch('/view.json')).json(), points = view.series.points, log = view.log;
        view.series.points = Array.from({ length: 1441 }, (_, i) => ({ ...points[i % points.length], at: i * 60 }));
        view.log = Array.from({ length: 400 }, (_, i) => log[i % log.length]);
        const times = [];
        for (let i = 0; i < 10; i++) { const began = performance.now(); show(view); document.body.getBoundingClientRect(); times.push(performance.now() - began); }
        return times.sort((a, b) => a - b)[5];
    }""")


def overflowing(page):
    """The sections that something sticks out of, where both sides have all figures, long ones."""
    return page.evaluate("""async () => {
        const view = await (await fetch('/view.json')).json();
        const side = { rate: 123456, errors: 99.99, latency: 12345, p50: 12345, p90: 23456, p99: 34567, healthy: 100, registered: 120 };
        view.series.newest = { ...view.series.newest, blue: side, green: side };
        show(view);
        return [...document.querySelectorAll('section')].filter(one => one.scrollWidth > one.clientWidth).map(one => one.innerText.slice(0, 20));
    }""")


def is_quiet(what, page, seen):
    check(f"{what}: nothing on the console", not seen["console"], seen["console"][:3])
    check(f"{what}: no request elsewhere", not seen["foreign"], seen["foreign"][:3])
    pwned = page.evaluate("window.pwned === undefined")
    check(f"{what}: nothing foreign ran", pwned and not seen["dialogs"], seen["dialogs"][:3])


def control(browser):
    """What is watched for is seen where it is."""
    page = browser.new_page()
    seen = watched(page, "about:blank")
    page.set_content("<script>window.pwned = 1; console.error('seen'); fetch('http://127.0.0.1:9/').catch(() => {})</script>")
    page.wait_for_timeout(500)
    works = seen["console"] and seen["foreign"] and page.evaluate("window.pwned === 1")
    check("control: a message, a request and a script are noticed", works, seen)
    page.close()


def live(browser, folder, shots):
    for scenario, ending, code in (("healthy", "promoted", 0), ("green-errors", "rolled back", 10)):
        report = folder / f"{scenario}.html"
        run, address = started("--sim", scenario, "--speed", "90", "--linger", "12s", "--report", str(report))
        page = browser.new_page(viewport={"width": 1250, "height": 1040})
        seen = watched(page, address)
        page.goto(address)
        page.wait_for_selector("#c-errors path[d^=M]", state="attached")
        before = lines_of(page, "c-share")
        page.wait_for_function(f"before => JSON.stringify([...document.querySelectorAll('#c-share path')].map(p => p.getAttribute('d'))) !== before", arg=str(before).replace("'", '"').replace(", ", ","))
        check(f"{scenario}: the charts follow", lines_of(page, "c-share") != before)
        for chart in ("c-share", "c-errors", "c-latency", "c-requests", "c-evidence"):
            check(f"{scenario}: {chart} is drawn", len(lines_of(page, chart)) == 2)
        page.wait_for_function("() => !document.querySelector('#end').hidden", timeout=60_000)
        text = page.inner_text("#outcome")
        check(f"{scenario}: the outcome is shown", text.startswith(ending), text[:60])
        if shots:
            page.screenshot(path=shots / f"monitor-page-{scenario}.png")
        print(f"     {scenario}: a page with a whole day is drawn in {drawn(page):.0f} ms")
        is_quiet(scenario, page, seen)
        page.set_viewport_size({"width": 1000, "height": 800})
        check(f"{scenario}: nothing sticks out of its section", not overflowing(page), overflowing(page))
        page.set_viewport_size({"width": 380, "height": 800})
        check(f"{scenario}: nor on a phone", not overflowing(page), overflowing(page))
        wide = page.evaluate("document.documentElement.scrollWidth")
        check(f"{scenario}: it fits a phone", wide <= 380, wide)
        page.keyboard.press("Tab")
        check(f"{scenario}: the keyboard reaches it", page.evaluate("document.activeElement !== document.body"))
        page.close()
        for line in run.stderr:
            pass
        check(f"{scenario}: exit code", run.wait() == code, run.returncode)
        opened(browser, report, scenario, ending, shots)


def opened(browser, report, name, ending, shots):
    page = browser.new_page(viewport={"width": 1000, "height": 1200})
    own = report.as_uri()
    seen = watched(page, own)
    page.goto(own)
    text = page.inner_text("#outcome")
    check(f"report of {name}: outcome first", text.startswith(ending), text[:60])
    first = page.evaluate("document.querySelector('h1').nextElementSibling.id")
    check(f"report of {name}: nothing before it", first == "outcome", first)
    charts = page.eval_on_selector_all("figure svg polyline", "all => all.length")
    check(f"report of {name}: charts are drawn", charts >= 8, charts)
    if shots:
        page.screenshot(path=shots / f"monitor-report-{name}.png", full_page=False)
    is_quiet(f"report of {name}", page, seen)
    page.close()


def with_hostile(browser, folder):
    report = folder / "hostile.html"
    run, address = started("--replay", hostile, "--speed", "max", "--linger", "8s", "--report", str(report))
    page = browser.new_page()
    seen = watched(page, address)
    page.goto(address)
    page.wait_for_function("() => !document.querySelector('#end').hidden")
    check("hostile: it is shown as text", "window.pwned" in page.inner_text("#outcome"))
    is_quiet("hostile", page, seen)
    page.close()
    for line in run.stderr:
        pass
    check("hostile: exit code", run.wait() == 0, run.returncode)
    opened(browser, report, "hostile", "rolled back", None)


with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
    folder = pathlib.Path(folder)
    shots = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
    chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--force-color-profile=srgb"])
    began = time.monotonic()
    control(chromium)
    live(chromium, folder, shots)
    with_hostile(chromium, folder)
    chromium.close()
    print(f"in {time.monotonic() - began:.0f} s")
if problems:
    sys.exit(f"error: {len(problems)} problems in the browser")
