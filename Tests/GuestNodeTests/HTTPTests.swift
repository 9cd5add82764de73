// URLs, response heads and bodies: what is accepted, what is refused, and that pieces of any size
// give the same.

import Testing

@testable import GuestNode

@Suite("HTTPURL")
struct HTTPURLTests {
    @Test(
        "a URL names host, port and target",
        arguments: [
            ("http://example.com", "example.com", 80, "/"),
            ("http://example.com:8080/a/b?c=d#e", "example.com", 8080, "/a/b?c=d"),
            ("HTTP://10.0.2.2:80?q", "10.0.2.2", 80, "/?q"),
            ("example.com/x", "example.com", 80, "/x"),
            ("example.com:81", "example.com", 81, "/"),
            ("http://h:/", "h", 80, "/"),
            ("http://h/a?u=http://x/y", "h", 80, "/a?u=http://x/y"),
        ] as [(String, String, UInt16, String)])
    func good(text: String, host: String, port: UInt16, target: String) throws {
        let url = try HTTPURL(text)
        #expect(url.host == host)
        #expect(url.port == port)
        #expect(url.target == target)
    }

    @Test(
        "what is no http URL is refused with its reason",
        arguments: [
            ("https://h/", .unsupportedScheme("https")),
            ("ftp://h/", .unsupportedScheme("ftp")),
            ("http://", .noHost),
            ("http:///x", .noHost),
            ("http://h:0/", .badPort("0")),
            ("http://h:65536/", .badPort("65536")),
            ("http://h:+1/", .badPort("+1")),
            ("http://h/a b", .badByte(0x20)),
            ("http://h/\r\nX: y", .badByte(0x0d)),
            ("http://h\\x/", .badByte(0x5c)),
            ("http://[::1]/", .badByte(0x5b)),
            ("http://user@h/", .userInfo),
        ] as [(String, URLError)])
    func bad(text: String, expected: URLError) {
        #expect(throws: expected) { try HTTPURL(text) }
    }

    @Test("a URL has a longest length")
    func length() {
        let long = "http://h/" + String(repeating: "a", count: HTTPURL.limit)
        #expect(throws: URLError.tooLong(bytes: long.utf8.count)) { try HTTPURL(long) }
    }

    @Test(
        "a redirect is relative to where it was found",
        arguments: [
            ("http://other:81/z", "http://other:81/z"),
            ("//other/z", "http://other/z"),
            ("/z?q", "http://h:8080/z?q"),
            ("z", "http://h:8080/a/z"),
            ("../z", "http://h:8080/z"),
            ("../../../z/.", "http://h:8080/z/"),
            ("./z/../y", "http://h:8080/a/y"),
            ("?q=2", "http://h:8080/a/b?q=2"),
            ("", "http://h:8080/a/b?q=1"),
        ])
    func redirect(reference: String, expected: String) throws {
        #expect(try HTTPURL("http://h:8080/a/b?q=1").resolving(reference) == HTTPURL(expected))
    }

    @Test("a redirect to another protocol or into the head of the request is refused")
    func badRedirect() throws {
        let url = try HTTPURL("http://h/")
        #expect(throws: URLError.unsupportedScheme("file")) { try url.resolving("file:///etc/passwd") }
        #expect(throws: URLError.badByte(0x0d)) { try url.resolving("/x\r\nHost: y") }
    }

    @Test(
        "blanks and bytes beyond ASCII in a Location become percent escapes, as curl does it",
        arguments: [
            ("/a b", "http://h/a%20b"), ("/a b?c d", "http://h/a%20b?c+d"), ("http://h/x y", "http://h/x%20y"),
        ])
    func escapes(location: String, expected: String) throws {
        #expect(try HTTPURL("http://h/").resolving(Array(location.utf8)) == HTTPURL(expected))
    }

    @Test("bytes of no character set stay what they are, and controls stay refused")
    func latin() throws {
        let url = try HTTPURL("http://h/")
        #expect(try url.resolving([0x2f, 0x63, 0xe9, 0x3f, 0xff]).target == "/c%e9?%ff")
        #expect(throws: URLError.badByte(0x1b)) { try url.resolving([0x2f, 0x1b]) }
        #expect(throws: URLError.badByte(0x25)) { try url.resolving(Array("http://a b/".utf8)) }
    }

    @Test("-O names the file after the last segment, never a directory or a hidden one")
    func fileName() throws {
        #expect(try HTTPURL("http://h/a/b.iso?x=/y").fileName == "b.iso")
        #expect(try HTTPURL("http://h/a/").fileName == nil)
        #expect(try HTTPURL("http://h/a/..").fileName == nil)
        #expect(try HTTPURL("http://h/.bashrc").fileName == nil)
        #expect(try HTTPURL("http://h").fileName == nil)
    }
}

@Suite("HTTPResponseHead")
struct HTTPResponseHeadTests {
    private func head(_ text: String) throws(HTTPError) -> HTTPResponseHead { try HTTPResponseHead(Array(text.utf8)) }

    @Test("a head has a status and fields; names are found without regard to case")
    func good() throws {
        let head = try head(
            "HTTP/1.1 301 Moved Permanently\r\nLOCATION:  /x \r\nA: 1\r\na: 2\r\nB: one\r\n two\r\n\r\n")
        #expect(head.status == 301)
        #expect(head.isRedirect)
        #expect(head.values("location") == ["/x"])
        #expect(head.values("a") == ["1", "2"])
        #expect(head.values("b") == ["one two"])
        #expect(try HTTPResponseHead(Array("HTTP/1.0 200\n\n".utf8)).status == 200)
    }

    @Test(
        "a head that is none is refused",
        arguments: [
            ("", .notHTTP), ("SSH-2.0-x\r\n", .notHTTP),
            ("HTTP/1.1\r\n", .badStatusLine("HTTP/1.1")),
            ("HTTP/2 200 OK\r\n", .badStatusLine("HTTP/2 200 OK")),
            ("HTTP/1.1 20x OK\r\n", .badStatusLine("HTTP/1.1 20x OK")),
            ("HTTP/1.1 099 OK\r\n", .badStatusLine("HTTP/1.1 099 OK")),
            ("HTTP/1.1 +99 OK\r\n", .badStatusLine("HTTP/1.1 +99 OK")),
            ("HTTP/1.1 200 OK\r\nno colon\r\n", .badField("no colon")),
            ("HTTP/1.1 200 OK\r\n: x\r\n", .badField(": x")),
            ("HTTP/1.1 200 OK\r\nA : x\r\n", .badField("A : x")),
            ("HTTP/1.1 200 OK\r\n folded\r\n", .badField(" folded")),
            ("HTTP/1.1 200 OK\r\nA: a\0b\r\n", .badField("A: a\0b")),
        ] as [(String, HTTPError)])
    func bad(text: String, expected: HTTPError) {
        #expect(throws: expected) { try head(text) }
    }

    @Test("more fields than the limit are refused")
    func fieldLimit() throws {
        let line = "A: 1\r\n"
        let most = "HTTP/1.1 200 OK\r\n" + String(repeating: line, count: HTTPResponseHead.fieldLimit)
        #expect(try head(most).fields.count == HTTPResponseHead.fieldLimit)
        #expect(throws: HTTPError.tooManyFields) { try head(most + line) }
    }

    @Test(
        "the body's length follows RFC 9112, 6.3",
        arguments: [
            ("200 OK\r\n", .untilClose),
            ("200 OK\r\nContent-Length: 5\r\n", .length(5)),
            ("200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n", .length(5)),
            ("200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 5\r\n", .chunked),
            ("200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n", .length(5)),
            ("200 OK\r\nTransfer-Encoding: Identity\r\n", .untilClose),
            ("204 No\r\nContent-Length: 5\r\n", .none),
            ("304 No\r\n", .none),
            ("100 Continue\r\n", .none),
        ] as [(String, BodyFraming)])
    func framing(text: String, expected: BodyFraming) throws {
        #expect(try head("HTTP/1.1 " + text).framing() == expected)
    }

    @Test(
        "lengths that are none, and unknown codings, are refused",
        arguments: [
            ("Content-Length: -1", .badContentLength("-1")),
            ("Content-Length: +1", .badContentLength("+1")),
            ("Content-Length:", .badContentLength("")),
            ("Content-Length: 5\r\nContent-Length: 6", .badContentLength("5, 6")),
            ("Content-Length: 18446744073709551616", .badContentLength("18446744073709551616")),
            ("Transfer-Encoding: gzip, chunked", .unknownCoding("gzip, chunked")),
        ] as [(String, HTTPError)])
    func badFraming(text: String, expected: HTTPError) {
        #expect(throws: expected) { try head("HTTP/1.1 200 OK\r\n" + text + "\r\n").framing() }
    }

    @Test("a head is collected from pieces of any size, and what follows it is left alone")
    func collecting() throws {
        let bytes = Array("\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\nbody".utf8)
        for size in 1...bytes.count {
            var collector = HTTPHeadCollector()
            var position = 0
            var isWhole = false
            while position < bytes.count, !isWhole {
                let piece = Array(bytes[position..<min(bytes.count, position + size)])
                let result = try piece.withUnsafeBytes { try collector.accept($0) }
                position += result.taken
                isWhole = result.isWhole
            }
            #expect(isWhole)
            #expect(position == bytes.count - 4)
            #expect(try HTTPResponseHead(collector.bytes).values("a") == ["b"])
        }
    }

    @Test("endless empty lines before a head are cut off")
    func emptyLines() {
        var collector = HTTPHeadCollector()
        let endless = [UInt8](repeating: 0x0d, count: HTTPResponseHead.byteLimit + 1)
        #expect(throws: HTTPError.headTooLong) { try endless.withUnsafeBytes { try collector.accept($0) } }
    }

    @Test("what is said of a server's bytes holds none that steers a terminal")
    func messages() {
        let text = "\u{1b}[2J\u{9b}1m\u{202e}\r\n\u{7f}é"
        let errors: [HTTPError] = [
            .badStatusLine(text), .badField(text), .badContentLength(text), .unknownCoding(text),
        ]
        for error in errors {
            #expect(error.description.contains("\\027[2J\\194\\1551m\\226\\128\\174\\013\\010\\127é"))
        }
        #expect(URLError.badPort(text).description.contains("\\027[2J"))
    }

    @Test("a head for a terminal keeps its lines and text of any coding, and steers nothing")
    func headForTerminal() {
        let head: [UInt8] = Array("A:\tb\r\n\u{1b}]0;x\u{7}é".utf8) + [0xe9, 0x9b, 0xc2, 0x9b, 0x7f]
        let shown = Array("A:\tb\r\n\\027]0;x\\007é".utf8) + [0xe9] + Array("\\155\\194\\155\\127".utf8)
        #expect(printable(head: head) == shown)
    }

    @Test("an endless head is cut off, and something else than HTTP is seen at once")
    func collectingLimits() {
        var collector = HTTPHeadCollector()
        let endless = Array("HTTP/1.1 200 OK\r\nA: ".utf8) + [UInt8](repeating: 0x61, count: HTTPResponseHead.byteLimit)
        #expect(throws: HTTPError.headTooLong) { try endless.withUnsafeBytes { try collector.accept($0) } }
        var other = HTTPHeadCollector()
        #expect(throws: HTTPError.notHTTP) { try Array("HTX".utf8).withUnsafeBytes { try other.accept($0) } }
    }
}

@Suite("BodyReader")
struct BodyReaderTests {
    /// Reads `text` in pieces of `size`; the content, and the bytes that were taken.
    private func read(_ text: String, _ framing: BodyFraming, pieces size: Int) throws -> (BodyReader, String, Int) {
        var reader = BodyReader(framing)
        var content: [UInt8] = []
        let bytes = Array(text.utf8)
        var position = 0
        while position < bytes.count, !reader.isComplete {
            let piece = Array(bytes[position..<min(bytes.count, position + size)])
            position += try piece.withUnsafeBytes { span in
                try reader.accept(span) {
                    content += $0
                    return true
                }
            }
        }
        return (reader, String(decoding: content, as: UTF8.self), position)
    }

    @Test(
        "content comes out of each framing, whatever the pieces",
        arguments: [
            ("helloEXTRA", .length(5), "hello", 5),
            ("5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nT: x\r\n\r\nEXTRA", .chunked, "hello world", 36),
            ("00000A \n0123456789\n0\n\n", .chunked, "0123456789", 22),
            ("0\r\n\r\n", .chunked, "", 5),
            ("all of it", .untilClose, "all of it", 9),
            ("EXTRA", .none, "", 0),
            ("EXTRA", .length(0), "", 0),
        ] as [(String, BodyFraming, String, Int)])
    func content(text: String, framing: BodyFraming, expected: String, taken: Int) throws {
        for size in 1...text.utf8.count {
            let (reader, content, position) = try read(text, framing, pieces: size)
            #expect(content == expected)
            #expect(position == taken)
            #expect(reader.isComplete == (framing != .untilClose))
            #expect(reader.endsWithStream)
        }
    }

    @Test("a cut body knows what is missing")
    func truncated() throws {
        let text = "5\r\nhello\r\n0\r\n\r\n"
        for end in 0..<text.utf8.count {
            let (reader, _, _) = try read(String(text.prefix { _ in true }.utf8.prefix(end)) ?? "", .chunked, pieces: 4)
            #expect(!reader.endsWithStream)
        }
        #expect(try read("hel", .length(5), pieces: 2).0.missing == 2)
    }

    @Test(
        "chunks that are none are refused",
        arguments: [
            "x\r\n", "\r\n", "-1\r\n", "0x5\r\n", "ffffffffffffffff\r\n", "5\r\nhelloX", ";a\r\n", "g",
        ])
    func bad(text: String) {
        #expect(throws: HTTPError.badChunk) { try read(text, .chunked, pieces: 3) }
    }

    @Test("extensions and trailers have a limit, many chunks have none")
    func overhead() throws {
        let long = String(repeating: "a", count: BodyReader.overheadLimit)
        #expect(throws: HTTPError.badChunk) { try read("5;a\(long)\r\n", .chunked, pieces: 4096) }
        #expect(throws: HTTPError.badChunk) { try read("0\r\nT: \(long)\r\n", .chunked, pieces: 4096) }
        let returns = String(repeating: "\r", count: BodyReader.overheadLimit + 2)
        #expect(throws: HTTPError.badChunk) { try read("5\(returns)", .chunked, pieces: 4096) }
        #expect(throws: HTTPError.badChunk) { try read("1\r\na\(returns)", .chunked, pieces: 4096) }
        let many = String(repeating: "1\r\na\r\n", count: 70_000) + "0\r\n\r\n"
        #expect(try read(many, .chunked, pieces: 65536).1.utf8.count == 70_000)
    }

    @Test("content that cannot be written is not taken")
    func refused() throws {
        var reader = BodyReader(.length(5))
        let taken = try Array("hello".utf8).withUnsafeBytes { try reader.accept($0) { _ in false } }
        #expect(taken == 0)
        #expect(reader.missing == 5)
    }
}
