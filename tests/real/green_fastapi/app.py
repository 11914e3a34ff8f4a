"""Green: the same chatbot in FastAPI, served by uvicorn.

Usage: app.py HOST PORT [FAULT]

| fault | what is wrong |
|---|---|
| none | nothing |
| errs | a message that is not plain ASCII ends in a 500: tests in English never see that |
| differs | what a move to FastAPI changes if nobody looks: a date of ISO 8601, a number that became a text, 422 with FastAPI's own body for wrong input |
"""

import asyncio
import pathlib
import sys
import time
import uuid
from datetime import datetime, timezone
from email.utils import formatdate
from typing import Optional

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from app_metrics import Recorder  # noqa: E402

CHAT = "/api/v1/chat"
FAULT = sys.argv[3] if sys.argv[3:] else ""
app = FastAPI()
recorder = Recorder(CHAT)


class Asked(BaseModel):
    message: str
    session_id: Optional[str] = None


@app.get("/health")
async def health():
    return {"status": "healthy"}


@app.get("/metrics/performance")
async def performance():
    return {"qps": recorder.requests_a_second()}


if FAULT != "differs":
    @app.exception_handler(RequestValidationError)
    async def refuse(_request, _error):
        # As Flask answers: clients rely on the status and on the shape of the body.
        recorder.note(True, 0.0)
        return JSONResponse({"error": "message is required"}, status_code=400)


@app.post(CHAT)
async def chat(asked: Asked):
    began = time.perf_counter()
    if FAULT == "errs" and not asked.message.isascii():
        recorder.note(False, (time.perf_counter() - began) * 1e3)
        return JSONResponse({"error": "internal error"}, status_code=500)
    await asyncio.sleep(0.01)
    tokens = len(asked.message.split())
    now = datetime.now(timezone.utc)
    differs = FAULT == "differs"
    answer = {
        "response": f"You said: {asked.message}",
        "session_id": asked.session_id or str(uuid.uuid4()),
        "tokens": str(tokens) if differs else tokens,
        "created_at": now.strftime("%Y-%m-%dT%H:%M:%SZ") if differs else formatdate(usegmt=True),
    }
    recorder.note(True, (time.perf_counter() - began) * 1e3)
    return answer


if __name__ == "__main__":
    uvicorn.run(app, host=sys.argv[1], port=int(sys.argv[2]), log_level="warning", access_log=False)
