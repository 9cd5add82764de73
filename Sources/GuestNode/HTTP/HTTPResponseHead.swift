// The head of a response (RFC 9112, 2 to 5): collected with a limit, parsed once it is whole, and
// what it says about the body that follows (6.3). Nothing a server sends can trap or grow it.

/// Why a response is no HTTP/1.1 response.
enum HTTPError: Error, Equatable, Sendable {
    /// It does not start with `HTTP/`.
    case notHTTP
    case badStatusLine(String)
    case headTooLong
    case tooManyFields
    /// A field line without a colon, or with a blank before it (RFC 9112, 5.1).
    case badField(String)
    case badContentLength(String)
    case badChunk
    case unknownCoding(String)

    var description: String {
        switch self {
        case .notHTTP: "Received HTTP/0.9 when not allowed"
        case .badStatusLine(let line): "Invalid status line '\(line.prefix(60))'"
        case .headTooLong: "Too large response headers: more than \(HTTPResponseHead.byteLimit) bytes"
        case .tooManyFields: "Too many response headers, more than \(HTTPResponseHead.fieldLimit)"
        case .badField(let line): "Invalid header line '\(line.prefix(60))'"
        case .badContentLength(let value): "Invalid Content-Length: value '\(value.prefix(60))'"
        case .badChunk: "Malformed encoding found in chunked-encoding"
        case .unknownCoding(let name): "Transfer coding '\(name.prefix(60))' is not known"
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
        var value: String
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
            let text = String(decoding: line, as: UTF8.self)
            if text.hasPrefix(" ") || text.hasPrefix("\t") {
                // RFC 9112, 5.2: a folded line belongs to the value before it.
                guard !fields.isEmpty else { throw .badField(text) }
                fields[fields.count - 1].value += " " + text.trimmed
                continue
            }
            guard fields.count < Self.fieldLimit else { throw .tooManyFields }
            fields.append(try Self.field(text))
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

    private static func field(_ text: String) throws(HTTPError) -> Field {
        guard let colon = text.firstIndex(of: ":"), colon > text.startIndex else { throw .badField(text) }
        let name = text[..<colon]
        guard name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { throw .badField(text) }
        return Field(name: String(name), value: String(text[colon...].dropFirst()).trimmed)
    }

    /// All values of a field, by name without regard to case.
    func values(_ name: String) -> [String] { fields.filter { $0.name.lowercased() == name }.map(\.value) }

    /// What follows the head of the answer to a GET.
    func framing() throws(HTTPError) -> BodyFraming {
        if status < 200 || status == 204 || status == 304 { return .none }
        let codings = values("transfer-encoding").flatMap { $0.split(separator: ",") }.map {
            String($0).trimmed.lowercased()
        }
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
    private(set) var bytes: [UInt8] = []
    /// Bytes of the line under way, its carriage return not counted.
    private var lineLength = 0

    /// Takes bytes up to the end of the head; `isWhole` tells whether that has come.
    mutating func accept(_ span: UnsafeRawBufferPointer) throws(HTTPError) -> (taken: Int, isWhole: Bool) {
        var taken = 0
        for byte in span {
            taken += 1
            // RFC 9112, 2.2: an empty line before the status line is ignored.
            if bytes.isEmpty, byte == 0x0a || byte == 0x0d { continue }
            guard bytes.count < HTTPResponseHead.byteLimit else { throw .headTooLong }
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

extension String {
    /// Without blanks at either end.
    var trimmed: String {
        var text = Substring(self)
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return String(text)
    }
}
