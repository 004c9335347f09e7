"""chat.py HOST:PORT APP_ID CLIENT_KEY USER [CURSOR [TOKEN]]: prints each frame and answer as a line of JSON, takes commands from its input."""

import json
import sys
import threading

import grpc
from google.protobuf.json_format import MessageToJson
from parley.v1 import friend_service_pb2, history_service_pb2
from parley_client import ParleyClient


printing = threading.Lock()


def show(message):
    line(MessageToJson(message, indent=None))


def line(text):
    with printing:  # The stream and the commands run side by side; a line must not be cut by another.
        print(text, flush=True)


def obey(client, command, user_id, text=""):
    if command == "add":
        return client.friends.AddFriend(friend_service_pb2.AddFriendRequest(user_id=user_id), metadata=client.metadata)
    if command == "send":
        return client.send(user_id, text)
    request = history_service_pb2.ListMessagesRequest(peer={"user_id": user_id})
    return client.history.ListMessages(request, metadata=client.metadata)


def follow(client):
    for frame in client.frames():
        show(frame)


client = ParleyClient(*sys.argv[1:])
line(json.dumps({"token": client.token}))
threading.Thread(target=follow, args=[client], daemon=True).start()
for command in sys.stdin:
    try:
        show(obey(client, *command.rstrip("\n").split(" ", 2)))
    except grpc.RpcError as error:
        line(json.dumps({"error": error.code().name, "message": error.details()}))
