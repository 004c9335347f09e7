/** Holds one stream over HTTP/2 and prints a line when its first bytes are there: `node stream-reader.mjs URL TOKEN`. */
import http2 from "node:http2";

const [url, token] = process.argv.slice(2);
const request = http2.connect(url).request({
  ":method": "POST",
  ":path": "/parley.v1.MessageService/Subscribe",
  "content-type": "application/connect+proto",
  "connect-protocol-version": "1",
  authorization: `Bearer ${token}`,
});
// The envelope of a request in which nothing is set.
request.end(Buffer.alloc(5));
request.once("data", () => console.log("open"));
request.resume();
