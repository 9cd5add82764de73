// A web page that types into a monitor: its request is told from what users type, wherever the bytes are cut.

import Testing

@testable import NetEmu

@Suite("an HTTP request on a character device")
struct RequestLineTests {
    private static func isRequest(_ text: String, cut: Int) -> Bool {
        var line = RequestLine()
        let bytes = Array(text.utf8)
        return line.isRequest(bytes[..<min(cut, bytes.count)]) || line.isRequest(bytes[min(cut, bytes.count)...])
    }

    @Test(
        "a request line, or a header in its place, is none of a user's lines",
        arguments: [
            "POST / HTTP/1.1\r\nHost: 127.0.0.1:4444\r\n\r\nquit\n", "GET /x\r\n", "Host: 127.0.0.1\n", "host: x\r\n",
            "quit / HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "\r\n\r\nPUT /a HTTP/1.0\r",
            "GET /\(String(repeating: "a", count: 5000)) HTTP/1.1\r\n",
        ])
    func requests(text: String) {
        for cut in 0..<min(40, text.utf8.count) { #expect(Self.isRequest(text, cut: cut), "cut at \(cut)") }
    }

    @Test(
        "what users type first is none",
        arguments: [
            "info network\n", "quit\n", "GET\n", "get x\n", "POST", "GET /x", "\n\n\n", "curl http://host/HTTP/1.1\n",
            "echo a HTTP\n", "info status\nGET / HTTP/1.1\n", "echo HTTP/1.1 is old\n", "\u{ff}\u{0}\n",
        ])
    func lines(text: String) {
        for cut in 0..<text.utf8.count { #expect(!Self.isRequest(text, cut: cut), "cut at \(cut)") }
    }
}
