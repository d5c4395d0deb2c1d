#!/usr/bin/env python3
"""A stand-in for the server under test: the SDKs' gateway, as thin as can be, in front of a real MongoDB.

The SDK scenarios run against it to show that what they expect is what MongoDB does, so that a scenario which fails against
WaferDB points at WaferDB. It understands as much of the command line as the scenarios need (`serve`, `index create`) and
no more: no signatures, no limits, no environments. A measuring instrument; it is not part of the product.
"""
import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bson import DatetimeMS, Int64, ObjectId, Regex, json_util
from bson.codec_options import CodecOptions, DatetimeConversion
import pymongo
from pymongo.errors import BulkWriteError, PyMongoError

MILLISECONDS = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
EJSON = json_util.RELAXED_JSON_OPTIONS.with_options(datetime_conversion=DatetimeConversion.DATETIME_MS)
ROWS_DEFAULT = 100


class Refused(Exception):
    """An error with a code of the protocol."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Gateway:
    """Actions of the protocol, one method each, named like the action."""

    def __init__(self, port):
        self.client = pymongo.MongoClient("127.0.0.1", port, directConnection=True)
        self.database = self.client.get_database("scenarios", codec_options=MILLISECONDS)
        self.transactions = {}

    def collection(self, body, create=False):
        name = body["collectionName"]
        if not create and name not in self.database.list_collection_names(filter={"name": name}):
            raise Refused("DATABASE_COLLECTION_NOT_EXIST", f"[ResourceNotFound] Db or Table not exist: {name}.")
        return self.database[name]

    def session(self, body):
        identity = body.get("transactionId")
        return self.transactions.get(identity) if identity else None

    def addCollection(self, body):
        name = body["collectionName"]
        if name in self.database.list_collection_names(filter={"name": name}):
            raise Refused("DATABASE_COLLECTION_ALREADY_EXIST", f"[ResourceExist] Table exist: {name}")
        self.database.create_collection(name)
        return {}

    def insertDocument(self, body):
        documents = [with_id(resolve(json_util.loads(text, json_options=EJSON))) for text in body["data"]]
        self.collection(body).insert_many(documents, session=self.session(body))
        return {"data": {"insertedIds": [document["_id"] for document in documents]}}

    def getDocument(self, body):
        order = list(parse(body.get("order")).items())
        rows = self.collection(body).find(
            parse(body.get("query")), parse(body.get("projection")) or None, sort=order or None,
            skip=body.get("offset", 0), limit=body.get("limit", ROWS_DEFAULT), session=self.session(body))
        return {"data": {"list": [text(row) for row in rows]}}

    def calculateDocument(self, body):
        return {"data": {"total": self.collection(body).count_documents(parse(body.get("query")))}}

    def modifyDocument(self, body):
        collection, query, data, session = self.collection(body), parse(body.get("query")), parse(body["data"]), self.session(body)
        if not body["merge"]:
            done = collection.replace_one(query, data, upsert=body["upsert"], session=session)
            return {"data": {"updated": done.matched_count, "upsert_id": done.upserted_id}}
        if not data:
            return {"data": {"updated": 0, "upsert_id": None}}
        update = collection.update_many if body["multi"] else collection.update_one
        return {"data": {"updated": update(query, data, session=session).modified_count, "upsert_id": None}}

    def modifyAndReturnDoc(self, body):
        after = pymongo.ReturnDocument.AFTER
        found = self.collection(body).find_one_and_update(parse(body.get("query")), parse(body["data"]), return_document=after)
        return {"data": {"updated": int(found is not None), "doc": found and text(found)}}

    def removeDocument(self, body):
        collection = self.collection(body)
        remove = collection.delete_many if body["multi"] else collection.delete_one
        return {"data": {"deleted": remove(parse(body.get("query")), session=self.session(body)).deleted_count}}

    def aggregateDocuments(self, body):
        stages = [{stage["stageKey"]: resolve(json_util.loads(stage["stageValue"], json_options=EJSON))} for stage in body["stages"]]
        return {"data": {"list": [text(row) for row in self.collection(body).aggregate(stages)]}}

    def startTransaction(self, body):
        session = self.client.start_session()
        session.start_transaction()
        identity = secrets.token_hex(8)
        self.transactions[identity] = session
        return {"transactionId": identity}

    def commitTransaction(self, body):
        self.session(body).commit_transaction()
        return {}

    def abortTransaction(self, body):
        session = self.session(body)
        if session.in_transaction:
            session.abort_transaction()
        return {}

    # --- the older generation: plain JSON instead of Extended JSON in strings

    def addDocument(self, body):
        document = with_id(plain_values(body["data"]), body.get("_id"))
        self.collection(body).insert_one(document)
        return {"data": {"_id": document["_id"]}}

    def queryDocument(self, body):
        order = [(item["field"], 1 if item["direction"] == "asc" else -1) for item in body.get("order", [])]
        rows = self.collection(body).find(
            plain_values(body.get("query") or {}), body.get("projection") or None, sort=order or None,
            skip=body.get("offset", 0), limit=body.get("limit", ROWS_DEFAULT))
        return {"data": {"list": [plain_json(row) for row in rows]}}

    def countDocument(self, body):
        return {"data": {"total": self.collection(body).count_documents(plain_values(body.get("query") or {}))}}

    def updateDocument(self, body):
        collection, query, data = self.collection(body), plain_values(body.get("query") or {}), plain_values(body["data"])
        if not body["merge"]:
            done = collection.replace_one(query, data, upsert=body["upsert"])
            return {"data": {"updated": done.matched_count, "upserted_id": done.upserted_id, "upsert_id": done.upserted_id}}
        update = collection.update_many if body["multi"] else collection.update_one
        return {"data": {"updated": update(query, data).modified_count}}

    def deleteDocument(self, body):
        collection = self.collection(body)
        remove = collection.delete_many if body["multi"] else collection.delete_one
        return {"data": {"deleted": remove(plain_values(body.get("query") or {})).deleted_count}}

    def aggregate(self, body):
        stages = [{stage["stageKey"]: plain_values(json.loads(stage["stageValue"]))} for stage in body["stages"]]
        return {"data": {"list": json.dumps([text(row) for row in self.collection(body).aggregate(stages)])}}

    def getInTransaction(self, body):
        found = self.collection(body).find_one(plain_values(body["query"]), session=self.session(body))
        return {"data": text(found) if found else "null"}

    def insertDocInTransaction(self, body):
        document = with_id(parse(body["data"]), body.get("_id"))
        self.collection(body).insert_one(document, session=self.session(body))
        return {"inserted": wire_int(1), "ok": wire_int(1), "_id": document["_id"], "id": document["_id"]}

    def updateDocInTransaction(self, body):
        query, data, session = plain_values(body["query"]), parse(body["data"]), self.session(body)
        if any(key.startswith("$") for key in data):
            return {"updated": wire_int(self.collection(body).update_one(query, data, session=session).modified_count)}
        done = self.collection(body).replace_one(query, data, upsert=bool(body.get("upsert")), session=session)
        upserted = {"upserted": json.dumps([{"_id": done.upserted_id}])} if done.upserted_id is not None else {}
        return {"updated": wire_int(done.matched_count), **upserted}

    def deleteDocInTransaction(self, body):
        return {"deleted": wire_int(self.collection(body).delete_one(plain_values(body["query"]), session=self.session(body)).deleted_count)}

    # --- the command line's verb, for `index create`

    def createIndex(self, body):
        keys = [(field, int(kind) if kind.lstrip("-").isdigit() else kind) for field, kind in body["keys"]]
        self.collection(body).create_index(keys, unique=body["unique"], sparse=body["sparse"])
        return {}


def with_id(document, given=None):
    return {"_id": given if given is not None else document.pop("_id", secrets.token_hex(16)), **document}


def parse(text_or_nothing):
    return resolve(json_util.loads(text_or_nothing, json_options=EJSON)) if text_or_nothing else {}


def resolve(value):
    """Server dates become dates; regular expressions lose the flags that only JavaScript has."""
    if isinstance(value, dict):
        if "$tcb_server_date" in value:
            return DatetimeMS(int(time.time() * 1000) + int(value["$tcb_server_date"].get("offset", 0)))
        return {key: resolve(inner) for key, inner in value.items()}
    return [resolve(inner) for inner in value] if isinstance(value, list) else value


def plain_values(value):
    """The older generation's values: `{"$date": ms}`, `{"$date": {"offset": ms}}`, `{"$regex", "$options"}`."""
    if isinstance(value, list):
        return [plain_values(inner) for inner in value]
    if not isinstance(value, dict):
        return float(value) if isinstance(value, int) and abs(value) >= 2**63 else value
    if set(value) == {"$date"}:
        at = value["$date"]
        return DatetimeMS(int(time.time() * 1000) + at.get("offset", 0) if isinstance(at, dict) else at)
    if set(value) == {"$numberInt"}:
        return int(value["$numberInt"])
    if "$regex" in value:
        return Regex(value["$regex"], "".join(flag for flag in value.get("$options", "") if flag in "imsx"))
    return {key: plain_values(inner) for key, inner in value.items()}


def plain_json(value):
    if isinstance(value, dict):
        return {key: plain_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain_json(inner) for inner in value]
    if isinstance(value, DatetimeMS):
        return {"$date": int(value)}
    if isinstance(value, ObjectId):
        return str(value)
    return int(value) if isinstance(value, Int64) else value


def text(document):
    return json_util.dumps(document, json_options=EJSON)


def wire_int(number):
    return json.dumps({"$numberInt": str(number)})


def refusal(error):
    if isinstance(error, Refused):
        return error.code, str(error)
    if isinstance(error, BulkWriteError):
        return "DATABASE_REQUEST_FAILED", error.details["writeErrors"][0]["errmsg"]
    if "WriteConflict" in str(error) or getattr(error, "code", None) in (112, 251):
        return "DATABASE_TRANSACTION_CONFLICT", f"[ResourceUnavailable.TransactionConflict] {error}"
    unknown = ("unknown operator", "Unrecognized pipeline stage", "unknown top level operator", "Unrecognized expression")
    code = "DATABASE_INVALID_OPERRATOR" if any(words in str(error) for words in unknown) else "DATABASE_REQUEST_FAILED"
    return code, str(error)


def handler_for(gateway):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.reply({"status": "ok"})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            try:
                answer = getattr(gateway, body["action"].removeprefix("database."))(body)
            except (Refused, PyMongoError, ValueError, OverflowError) as error:
                code, message = refusal(error)
                answer = {"code": code, "message": message}
            self.reply({"requestId": secrets.token_hex(8), **answer})

        def reply(self, answer):
            payload = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json; charset=utf-8")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_):
            pass

    return Handler


def serve(options):
    host, port = options.listen.rsplit(":", 1)
    store_port = int(port) + 1
    start = os.path.join(os.path.dirname(__file__), "../../setup/mongod.sh")
    environment = {**os.environ, "WAFERDB_MONGOD_FLAGS": "--replSet r"}
    mongod = int(subprocess.check_output([start, "start", options.data, str(store_port)], env=environment))
    try:
        admin = pymongo.MongoClient("127.0.0.1", store_port, directConnection=True).admin
        admin.command("replSetInitiate", {"_id": "r", "members": [{"_id": 0, "host": f"127.0.0.1:{store_port}"}]})
        while not admin.command("hello")["isWritablePrimary"]:
            time.sleep(0.05)
        server = ThreadingHTTPServer((host, int(port)), handler_for(Gateway(store_port)))
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever()
    finally:
        os.kill(mongod, signal.SIGTERM)


def create_index(options):
    keys = [(field.rsplit(":", 1) if ":" in field else [field, "1"]) for field in options.fields]
    body = {"action": "database.createIndex", "collectionName": options.collection, "keys": keys, "unique": options.unique, "sparse": options.sparse}
    request = urllib.request.Request(options.server + "/admin", json.dumps(body).encode(), {"content-type": "application/json"})
    answer = json.load(urllib.request.urlopen(request))
    sys.exit(f"{answer['code']}: {answer['message']}" if answer.get("code") else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server")
    parser.add_argument("--admin-token")
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("serve")
    verb.add_argument("--data", required=True)
    verb.add_argument("--listen", required=True)
    verb.set_defaults(run=serve)
    verb = verbs.add_parser("index").add_subparsers(required=True).add_parser("create")
    verb.add_argument("--env")
    verb.add_argument("--collection", required=True)
    verb.add_argument("--unique", action="store_true")
    verb.add_argument("--sparse", action="store_true")
    verb.add_argument("--name")
    verb.add_argument("fields", nargs="+")
    verb.set_defaults(run=create_index)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
