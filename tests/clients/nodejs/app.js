// A function that does what its event says.
exports.handler = async (event, context) => {
  if (event.do === "fail") throw new TypeError("boom é");
  if (event.do === "exit") process.exit(3);
  return { text: event.text, n_bytes: (event.filler ?? "").length, request_id: context.awsRequestId, pid: process.pid };
};
