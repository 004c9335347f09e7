"""A Parley client over gRPC. It needs grpcio, protobuf and what protoc makes of the server's /descriptor.binpb (docs/clients.md)."""

import itertools
import random
import time
import uuid

import grpc
from parley.v1 import auth_service_pb2, auth_service_pb2_grpc, friend_service_pb2_grpc, history_service_pb2_grpc
from parley.v1 import message_service_pb2, message_service_pb2_grpc

# A cut connection is noticed by pings; a lost one is sought again from 0.2 s to 5 s apart.
OPTIONS = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]
Code = grpc.StatusCode
PASSING = {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.ABORTED}
FINAL = {Code.UNAUTHENTICATED, Code.PERMISSION_DENIED, Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED}


class ParleyClient:
    def __init__(self, target, app_id, client_key, user_id, cursor="", token=None):
        channel = grpc.insecure_channel(target, options=OPTIONS)
        if token is None:
            login = {"app_id": app_id, "client_key": client_key, "bare_id": {"user_id": user_id}}
            token = auth_service_pb2_grpc.AuthServiceStub(channel).Login(auth_service_pb2.LoginRequest(**login)).session_token
        self.token, self.metadata = token, [("authorization", f"Bearer {token}")]
        self.friends = friend_service_pb2_grpc.FriendServiceStub(channel)
        self.history = history_service_pb2_grpc.HistoryServiceStub(channel)
        self.messages = message_service_pb2_grpc.MessageServiceStub(channel)
        self.cursor = cursor  # Keep it with what was applied, and give it again after a restart of this program.

    def send(self, user_id, text):
        """Sends a text. Each try carries the same client_message_id: the message is stored once, whatever answer got lost."""
        request = message_service_pb2.SendMessageRequest(
            receiver={"user_id": user_id}, content={"text": {"text": text}}, client_message_id=str(uuid.uuid4())
        )
        for failures in itertools.count(1):
            try:
                return self.messages.SendMessage(request, metadata=self.metadata, timeout=10)
            except grpc.RpcError as error:
                if error.code() not in PASSING or failures == 10:
                    raise
            back_off(failures)

    def frames(self):
        """Yields what Subscribe sends, over any loss of the connection: every durable event once and in order."""
        failures, delay = 0, 0
        while True:
            request = message_service_pb2.SubscribeRequest(cursor=self.cursor)
            try:
                for response in self.messages.Subscribe(request, metadata=self.metadata):
                    failures, delay = 0, 0
                    frame = getattr(response, response.WhichOneof("frame") or "", None)
                    yield response
                    # Only now, when the caller has applied it. A kind that is not known moves the cursor too.
                    self.cursor = getattr(frame, "cursor", "") or self.cursor
                    if response.HasField("goodbye"):
                        if not frame.reconnect:
                            return
                        delay = frame.retry_delay.ToNanoseconds() / 1e9
            except grpc.RpcError as error:
                if error.code() in FINAL:
                    raise
            failures += 1
            back_off(failures, delay)


def back_off(failures, least=0):
    time.sleep(max(least, min(30, 0.1 * 2 ** min(failures, 10)) * random.uniform(0.5, 1)))
