"""Blue: the chatbot of the guide in Flask, served by waitress.

Usage: app.py HOST PORT
"""

import pathlib
import sys
import time
import uuid
from email.utils import formatdate

from flask import Flask, jsonify, request
from waitress import serve

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from app_metrics import Recorder  # noqa: E402

CHAT = "/api/v1/chat"
app = Flask(__name__)
recorder = Recorder(CHAT)


@app.get("/health")
def health():
    return jsonify(status="healthy")


@app.get("/metrics/performance")
def performance():
    return jsonify(qps=recorder.requests_a_second())


@app.post(CHAT)
def chat():
    began = time.perf_counter()
    asked = request.get_json(silent=True)
    message = asked.get("message") if isinstance(asked, dict) else None
    if not isinstance(message, str):
        recorder.note(True, (time.perf_counter() - began) * 1e3)
        return jsonify(error="message is required"), 400
    # As long as a small model thinks.
    time.sleep(0.01)
    answer = jsonify(
        response=f"You said: {message}",
        session_id=asked.get("session_id") or str(uuid.uuid4()),
        tokens=len(message.split()),
        created_at=formatdate(usegmt=True),
    )
    recorder.note(True, (time.perf_counter() - began) * 1e3)
    return answer


if __name__ == "__main__":
    serve(app, host=sys.argv[1], port=int(sys.argv[2]), threads=8)
