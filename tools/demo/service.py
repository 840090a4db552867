#!/usr/bin/python3
"""A small machine-learning service without users: text recognition by Tesseract.

It knows nothing of accounts. What it shows of the caller is what the gateway in
front of it said (X-User-Id), which is the point of the demonstration.

    POST /predict              an image (form field "file" or the plain body): the text, at once
    POST /jobs                 the same as a job: an id
    GET  /jobs/{id}            its state
    GET  /jobs/{id}/result     its text
    GET  /events               server-sent events, one every 200 ms, ten of them
    GET  /health, /whoami
"""
import argparse
import asyncio
import io
import subprocess
import uuid

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse, StreamingResponse

app = FastAPI(title="postern demo: text recognition")
jobs: dict[str, dict] = {}
JOBS_MAX = 1000


def recognise(image: bytes) -> str:
    """The text in an image, by Tesseract's English model."""
    done = subprocess.run(
        ["tesseract", "stdin", "stdout", "--psm", "6"],
        input=image, capture_output=True, timeout=60, check=False,
    )
    if done.returncode != 0:
        raise HTTPException(422, "that is not an image that Tesseract can read")
    return done.stdout.decode("utf-8", "replace").strip()


def caller(request: Request) -> dict:
    """What the gateway said of whoever is asking."""
    names = ("x-user-id", "x-user-name", "x-user-roles", "x-auth-method", "x-request-id")
    return {name: request.headers.get(name) for name in names}


async def image_of(request: Request) -> bytes:
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        form = await request.form()
        if "file" not in form:
            raise HTTPException(422, "the form has no field 'file'")
        return await form["file"].read()
    return await request.body()


@app.get("/health")
def health():
    return {"status": "ok"}


@app.get("/whoami")
def whoami(request: Request):
    return caller(request)


@app.post("/predict")
async def predict(request: Request):
    image = await image_of(request)
    text = await asyncio.get_running_loop().run_in_executor(None, recognise, image)
    return {"text": text, "seen": caller(request)}


async def work(job: dict, image: bytes):
    try:
        job["text"] = await asyncio.get_running_loop().run_in_executor(None, recognise, image)
        job["status"] = "done"
    except HTTPException as e:
        job.update(status="failed", error=e.detail)


@app.post("/jobs", status_code=202)
async def submit(request: Request):
    image = await image_of(request)
    while len(jobs) >= JOBS_MAX:
        jobs.pop(next(iter(jobs)))
    job = {"job_id": str(uuid.uuid4()), "status": "running", "seen": caller(request)}
    jobs[job["job_id"]] = job
    job["task"] = asyncio.create_task(work(job, image))
    return {"job_id": job["job_id"], "status": job["status"]}


def find(job_id: str) -> dict:
    if job_id not in jobs:
        raise HTTPException(404, "no such job")
    return jobs[job_id]


@app.get("/jobs/{job_id}")
def state(job_id: str):
    return {k: v for k, v in find(job_id).items() if k not in ("text", "task")}


@app.get("/jobs/{job_id}/result", response_class=PlainTextResponse)
def result(job_id: str):
    job = find(job_id)
    if job["status"] != "done":
        raise HTTPException(409, f"the job is {job['status']}")
    return job["text"]


@app.get("/events")
async def events():
    async def stream():
        for i in range(10):
            yield f"data: {i}\n\n"
            await asyncio.sleep(0.2)

    return StreamingResponse(stream(), media_type="text/event-stream")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8001)
    options = parser.parse_args()
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")
