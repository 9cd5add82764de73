// The head of a response (RFC 9112, 2 to 5): collected with a limit, parsed once it is whole, and
// what it says about the body that follows (6.3). Nothing a server sends can trap or grow it, and what
// is told of it steers no terminal.

/// Why a response is no HTTP/1.1 response.
enum HTTPError: Error, Equatable, Sendable {
    /// It does not start with `HTTP/`.
    case notHTTP
    case badStatusLine(String)
    case headTooLong
    case tooManyFields
    /// A field line without a colon, with a blank before it (RFC 9112, 5.1), or with a NUL (RFC 9110, 5.5).
    case badField(String)
    case badContentLength(String)
    case badChunk
    case unknownCoding(String)

    var description: String {
        switch self {
        case .notHTTP: "Received HTTP/0.9 when not allowed"
        case .badStatusLine(let line): "Invalid status line '\(printable(line.prefix(60)))'"
        case .headTooLong: "Too large response headers: more than \(HTTPResponseHead.byteLimit) bytes"
        case .tooManyFields: "Too many response headers, more than \(HTTPResponseHead.fieldLimit)"
        case .badField(let line): "Invalid header line '\(printable(line.prefix(60)))'"
        case .badContentLength(let value): "Invalid Content-Length: value '\(printable(value.prefix(60)))'"
        case .badChunk: "Malformed encoding found in chunked-encoding"
        case .unknownCoding(let name): "Transfer coding '\(printable(name.prefix(60)))' is not known"
        }
    }
}

/// How long a body is (RFC 9112, 6.3).
enum BodyFraming: Equatable, Sendable {
    case none
    case length(UInt64)
    case chunked
    case untilClose
}

/// A response's status line and fields.
struct HTTPResponseHead: Equatable, Sendable {
    static let byteLimit = 65536
    static let fieldLimit = 256

    struct Field: Equatable, Sendable {
        var name: String
        /// As the server wrote it, without blanks at either end.
        var bytes: [UInt8]
        var value: String { String(decoding: bytes, as: UTF8.self) }
    }

    /// 100…999
    let status: Int
    let fields: [Field]

    /// Parses a whole head: everything before the empty line.
    init(_ bytes: some Collection<UInt8>) throws(HTTPError) {
        var lines = bytes.split(separator: 0x0a, omittingEmptySubsequences: false)
            .map { $0.last == 0x0d ? $0.dropLast() : $0 }[...]
        let first = lines.popFirst().map { String(decoding: $0, as: UTF8.self) } ?? ""
        status = try Self.status(first)
        var fields: [Field] = []
        for line in lines where !line.isEmpty {
            let bytes = Array(line)
            if bytes.first == 0x20 || bytes.first == 0x09 {
                // RFC 9112, 5.2: a folded line belongs to the value before it.
                guard !fields.isEmpty, !bytes.contains(0) else {
                    throw .badField(String(decoding: bytes, as: UTF8.self))
                }
                fields[fields.count - 1].bytes += [0x20] + bytes.trimmed
                continue
            }
            guard fields.count < Self.fieldLimit else { throw .tooManyFields }
            fields.append(try Self.field(bytes))
        }
        self.fields = fields
    }

    /// `HTTP/1.1 200 OK`; the reason may be missing.
    private static func status(_ line: String) throws(HTTPError) -> Int {
        guard line.hasPrefix("HTTP/") else { throw .notHTTP }
        let parts = line.split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[0] == "HTTP/1.1" || parts[0] == "HTTP/1.0", parts[1].utf8.count == 3,
            let code = UInt16(parts[1]), code >= 100
        else { throw .badStatusLine(line) }
        return Int(code)
    }

    private static func field(_ line: [UInt8]) throws(HTTPError) -> Field {
        guard let colon = line.firstIndex(of: ascii(":")), colon > 0, !line.contains(0),
            line[..<colon].allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else { throw .badField(String(decoding: line, as: UTF8.self)) }
        return Field(
            name: String(decoding: line[..<colon], as: UTF8.self), bytes: Array(line[(colon + 1)...]).trimmed)
    }

    /// All values of a field, by name without regard to case.
    func values(_ name: String) -> [String] { fields.filter { $0.name.lowercased() == name }.map(\.value) }

    /// The first value of a field, as the server wrote it.
    func bytes(of name: String) -> [UInt8]? { fields.first { $0.name.lowercased() == name }?.bytes }

    /// What follows the head of the answer to a GET.
    func framing() throws(HTTPError) -> BodyFraming {
        if status < 200 || status == 204 || status == 304 { return .none }
        let codings = values("transfer-encoding").flatMap { $0.split(separator: ",") }.map {
            String($0).trimmed.lowercased()
        }.filter { $0 != "identity" }  // no coding at all (RFC 2616, 3.6); servers still say it
        if let last = codings.last {
            guard codings.count == 1, last == "chunked" else { throw .unknownCoding(codings.joined(separator: ", ")) }
            return .chunked
        }
        let lengths = values("content-length").flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
            .map { String($0).trimmed }
        guard let first = lengths.first else { return .untilClose }
        guard lengths.allSatisfy({ $0 == first }), !first.isEmpty,
            first.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let length = UInt64(first)
        else { throw .badContentLength(lengths.joined(separator: ", ")) }
        return .length(length)
    }

    var isRedirect: Bool { [301, 302, 303, 307, 308].contains(status) }
}

/// Collects a head as it arrives.
struct HTTPHeadCollector: Sendable {
    var bytes: [UInt8] = []
    /// How many bytes may still come; empty lines before the head count, and so do the interim heads before this one.
    var left: Int
    /// Bytes of the line under way, its carriage return not counted.
    var lineLength = 0

    init(left: Int = HTTPResponseHead.byteLimit) { self.left = left }

    /// Takes bytes up to the end of the head; `isWhole` tells whether that has come.
    mutating func accept(_ span: UnsafeRawBufferPointer) throws(HTTPError) -> (taken: Int, isWhole: Bool) {
        var taken = 0
        for byte in span {
            taken += 1
            guard left > 0 else { throw .headTooLong }
            left -= 1
            // RFC 9112, 2.2: an empty line before the status line is ignored.
            if bytes.isEmpty, byte == 0x0a || byte == 0x0d { continue }
            bytes.append(byte)
            if bytes.count <= 5, !Array("HTTP/".utf8).starts(with: bytes) { throw .notHTTP }
            if byte == 0x0a {
                if lineLength == 0 { return (taken, true) }
                lineLength = 0
            } else if byte != 0x0d {
                lineLength += 1
            }
        }
        return (taken, false)
    }
}

extension [UInt8] {
    /// Without blanks at either end.
    fileprivate var trimmed: [UInt8] {
        let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        guard let first = firstIndex(where: { !isBlank($0) }), let last = lastIndex(where: { !isBlank($0) }) else {
            return []
        }
        return Array(self[first...last])
    }
}

extension String {
    /// Without blanks at either end.
    var trimmed: String {
        var text = Substring(self)
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return String(text)
    }
}
