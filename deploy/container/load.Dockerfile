# Locust with our open loop, for several machines; needs the repository as its context:
#
#     docker build -f deploy/container/load.Dockerfile -t weighbridge:load .
#
# The load generator checks answers against the model's own graph, so the models and their runtime are in it.
FROM python:3.11-slim AS build
COPY pyproject.toml versions.lock /build/
WORKDIR /build
RUN python3 -m venv /app \
 && /app/bin/pip install --no-cache-dir --quiet --upgrade "pip>=25.1" \
 && /app/bin/pip install --no-cache-dir --quiet --constraint versions.lock --group bench \
 && rm -f /app/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime_providers_cuda.so \
          /app/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime_providers_tensorrt.so \
 && /app/bin/pip uninstall --yes --quiet pip

FROM python:3.11-slim
COPY --from=build /app /app
COPY benchmarks /weighbridge/benchmarks
COPY service /weighbridge/service
COPY models /weighbridge/models
ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
WORKDIR /weighbridge
USER 1034:1034
EXPOSE 5557 8089
ENTRYPOINT ["python", "-m", "locust", "-f", "benchmarks/locustfile.py"]
