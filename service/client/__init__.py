"""Ask a Weighbridge server from Python, with or without asyncio.

    with Client("http://localhost:3000") as client:
        print(client.predict("shoe.png").predictions[0].label)

Images may be paths, the bytes of a file, numpy arrays or Pillow images. Answers are the models of `service.wire`.
Knows nothing of how the server works: it imports the wire models and no other part of the service.
"""

from service.client.asynchronous import AsyncClient
from service.client.errors import ClientError, ServiceError, UnreachableError
from service.client.images import Image
from service.client.patience import Retries
from service.client.synchronous import Client

__all__ = ["AsyncClient", "Client", "ClientError", "Image", "Retries", "ServiceError", "UnreachableError"]
