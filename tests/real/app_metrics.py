"""What an application publishes of its endpoint in CloudWatch: points of 10 seconds, of high resolution.

`SuccessCount`, `ErrorCount` and `RequestLatency` (milliseconds) with the dimension `Endpoint`, in the namespace of the
variable `NAMESPACE`, as the guide's chatbot does. A point is sent once its 10 seconds are over, and only if there was
a request: CloudWatch never gets a zero.
"""

import json
import os
import threading
import time
import urllib.request

SECONDS = 10


class Recorder:
    """Counts requests and publishes them from a thread of its own."""

    def __init__(self, endpoint):
        self.endpoint, self.namespace = endpoint, os.environ["NAMESPACE"]
        self.url = os.environ["AWS_ENDPOINT_URL_CLOUDWATCH"]
        self.lock, self.points, self.total = threading.Lock(), {}, 0
        self.began = time.monotonic()
        threading.Thread(target=self.publish_forever, daemon=True).start()

    def note(self, is_success, milliseconds):
        start = int(time.time() // SECONDS * SECONDS)
        with self.lock:
            self.total += 1
            point = self.points.setdefault(start, {"SuccessCount": 0, "ErrorCount": 0, "latencies": []})
            point["SuccessCount" if is_success else "ErrorCount"] += 1
            point["latencies"].append(milliseconds)

    def requests_a_second(self):
        return self.total / max(time.monotonic() - self.began, 1)

    def publish_forever(self):
        while True:
            time.sleep(0.5)
            now = time.time()
            with self.lock:
                over = [start for start in self.points if start + SECONDS + 0.5 <= now]
                taken = [(start, self.points.pop(start)) for start in over]
            for start, point in taken:
                self.publish(start, point)

    def publish(self, start, point):
        latencies = point["latencies"]
        usual = {"Timestamp": start, "StorageResolution": 1, "Dimensions": [{"Name": "Endpoint", "Value": self.endpoint}]}
        data = [{"MetricName": name, "Value": point[name], "Unit": "Count", **usual}
                for name in ("SuccessCount", "ErrorCount") if point[name]]
        summed = {"SampleCount": len(latencies), "Sum": sum(latencies), "Minimum": min(latencies), "Maximum": max(latencies)}
        data.append({"MetricName": "RequestLatency", "StatisticValues": summed, "Unit": "Milliseconds", **usual})
        put(self.url, self.namespace, data)


def put(url, namespace, data):
    """Sends data points to CloudWatch as JSON. An emulator checks no signature, but reads the service from it."""
    body = json.dumps({"Namespace": namespace, "MetricData": data}).encode()
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData",
        "Authorization": "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/monitoring/aws4_request, "
        "SignedHeaders=host, Signature=0",
    }
    try:
        urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=5).read()
    except OSError as error:
        # As on AWS: points that cannot be sent are lost, and the application serves on.
        print(f"metrics of {namespace} were not sent: {error}", flush=True)
