"""Live users of one world: each keeps a connection, asks the chatbot, and notes who answered and how.

Usage: clients.py URL OUT.jsonl USERS REQUESTS_A_SECOND

One line a request: `at` (seconds), `side`, `kind`, `status` (0: no answer), `ok`, `why` if it is not, `ms`. A request is
right if a user would say so: the status, the words of the answer, the session, and the types of the other fields.
"""

import asyncio
import json
import random
import sys
import time
from email.utils import parsedate_to_datetime

import aiohttp

CHAT = "/api/v1/chat"
# Kinds of messages, and how many of a hundred requests are of each.
KINDS = {"plain": 60, "unicode": 20, "long": 15, "wrong": 5}


def question(kind, number, randomness):
    words = " ".join(randomness.choice(["hello", "route", "weights", "green", "blue", "why", "how"]) for _ in range(6))
    if kind == "wrong":
        return {"text": words}
    more = {"plain": "", "unicode": " – grüße 🌍", "long": " " + "again " * 200}[kind]
    return {"message": f"{words}{more}".strip(), "session_id": f"user-{number}"}


def fault(kind, asked, status, answer):
    """What is wrong with an answer; empty if nothing is."""
    if kind == "wrong":
        return "" if (status, answer) == (400, {"error": "message is required"}) else f"{status} for wrong input"
    if status != 200:
        return f"status {status}"
    if answer.get("response") != f"You said: {asked['message']}" or answer.get("session_id") != asked["session_id"]:
        return "another answer"
    if answer.get("tokens") != len(asked["message"].split()):
        return "another count of tokens"
    try:
        parsedate_to_datetime(answer["created_at"])
    except (KeyError, TypeError, ValueError):
        return "another form of date"
    return ""


async def user(number, url, out, pause, session):
    randomness = random.Random(number)
    while True:
        kind = randomness.choices(list(KINDS), KINDS.values())[0]
        asked = question(kind, number, randomness)
        at, began = time.time(), time.perf_counter()
        side, status = None, 0
        try:
            async with session.post(url + CHAT, json=asked) as response:
                side, status = response.headers.get("X-Served-By"), response.status
                is_json = response.headers.get("Content-Type", "").startswith("application/json")
                answer = await response.json() if is_json else {}
                why = fault(kind, asked, status, answer)
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError) as error:
            why = type(error).__name__
        line = {"at": round(at, 3), "side": side, "kind": kind, "status": status, "ok": not why,
                "ms": round((time.perf_counter() - began) * 1e3, 1)}
        out.write(json.dumps(line | ({"why": why} if why else {})) + "\n")
        await asyncio.sleep(randomness.uniform(0.5, 1.5) * pause)


async def main():
    url, path, users, rate = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    timeout = aiohttp.ClientTimeout(total=10)
    with open(path, "a", buffering=1) as out:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            await asyncio.gather(*(user(number, url, out, users / rate, session) for number in range(users)))


asyncio.run(main())
