// The part of URLs that curl's GET needs (RFC 3986, 3; RFC 9110, 4.2.1): `http`, host, port, path
// and query; and references relative to one (RFC 3986, 5.2). Whatever could break a request's
// lines apart is refused.

/// Why a text is no URL to get.
enum URLError: Error, Equatable, Sendable {
    case unsupportedScheme(String)
    case noHost
    case badPort(String)
    /// A byte that may not stand in a URL: controls, blanks, bytes beyond ASCII in the host.
    case badByte(UInt8)
    case tooLong(bytes: Int)
    case userInfo

    var description: String {
        switch self {
        case .unsupportedScheme(let scheme): "Protocol \"\(scheme)\" not supported; http is"
        case .noHost: "URL rejected: No host part in the URL"
        case .badPort(let port):
            "URL rejected: Port number '\(printable(port))' was not a decimal number between 1 and 65535"
        case .badByte(let byte): "URL rejected: Malformed input (byte \(byte))"
        case .tooLong(let bytes): "URL rejected: \(bytes) bytes; at most \(HTTPURL.limit) are accepted"
        case .userInfo: "URL rejected: user names are not accepted"
        }
    }
}

/// An absolute http URL.
struct HTTPURL: Equatable, Sendable {
    static let limit = 8192

    var host: String
    var port: UInt16
    /// Path and query as the request line carries them; never empty, no fragment.
    var target: String

    /// Parses `text`; without a scheme it is http.
    init(_ text: String) throws(URLError) {
        guard text.utf8.count <= Self.limit else { throw .tooLong(bytes: text.utf8.count) }
        for byte in text.utf8 where byte <= 0x20 || byte == 0x7f { throw .badByte(byte) }
        var rest = Substring(text)
        if let range = Self.scheme(of: text) {
            let scheme = rest[range].lowercased()
            guard scheme == "http" else { throw .unsupportedScheme(scheme) }
            rest = rest[range.upperBound...].dropFirst(3)
        }
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        (host, port) = try Self.authority(rest[..<end])
        target = Self.target(rest[end...])
    }

    /// What the value of a Location field means here. Blanks and bytes beyond ASCII become percent escapes, as curl
    /// does it: `%20`, in a query `+`; nobody knows a reference's character set.
    func resolving(_ location: [UInt8]) throws(URLError) -> HTTPURL {
        let query = location.firstIndex(of: ascii("?")) ?? location.count
        var text = ""
        for (index, byte) in location.enumerated() {
            switch byte {
            case 0x20: text += index < query ? "%20" : "+"
            case 0x80...: text += "%" + String(byte, radix: 16)
            default: text.unicodeScalars.append(UnicodeScalar(byte))
            }
        }
        return try resolving(text)
    }

    /// What `reference` means as the target of a redirect found here.
    func resolving(_ reference: String) throws(URLError) -> HTTPURL {
        guard reference.utf8.count <= Self.limit else { throw .tooLong(bytes: reference.utf8.count) }
        for byte in reference.utf8 where byte <= 0x20 || byte == 0x7f { throw .badByte(byte) }
        if Self.scheme(of: reference) != nil { return try HTTPURL(reference) }
        if reference.hasPrefix("//") { return try HTTPURL("http:" + reference) }
        var result = self
        let path = target.prefix { $0 != "?" }
        let whole: String
        if reference.hasPrefix("/") {
            whole = reference
        } else if reference.hasPrefix("?") {
            whole = path + reference
        } else if reference.isEmpty || reference.hasPrefix("#") {
            whole = target
        } else {
            let directory = path.lastIndex(of: "/").map { path[...$0] } ?? "/"
            whole = directory + reference
        }
        result.target = Self.withoutDots(Self.target(Substring(whole)))
        return result
    }

    /// The last segment of the path, as `-O` names a file; nil when there is none to use, or it would be hidden.
    var fileName: String? {
        let name = target.prefix { $0 != "?" }.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        return name.isEmpty || name.hasPrefix(".") ? nil : String(name)
    }

    /// The value of the Host field (RFC 9110, 7.2).
    var authority: String { port == 80 ? host : "\(host):\(port)" }

    /// Letters, digits, `+-.` before `://`.
    private static func scheme(of text: String) -> Range<String.Index>? {
        guard let end = text.firstRange(of: "://")?.lowerBound, end > text.startIndex else { return nil }
        let range = text.startIndex..<end
        return text[range].utf8.allSatisfy { isLetterOrDigit($0) || "+-.".utf8.contains($0) } ? range : nil
    }

    private static func authority(_ text: Substring) throws(URLError) -> (String, UInt16) {
        guard !text.contains("@") else { throw .userInfo }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let host = parts.first.map(String.init) ?? ""
        guard !host.isEmpty, host.utf8.count <= 255 else { throw .noHost }
        for byte in host.utf8 where !isLetterOrDigit(byte) && !"-._".utf8.contains(byte) { throw .badByte(byte) }
        guard parts.count == 2, !parts[1].isEmpty else { return (host, 80) }
        guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(parts[1]), port > 0 else {
            throw .badPort(String(parts[1]))
        }
        return (host, port)
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20)
    }

    private static func target(_ text: Substring) -> String {
        let visible = text.prefix { $0 != "#" }
        return visible.hasPrefix("/") ? String(visible) : "/" + visible
    }

    /// RFC 3986, 5.2.4, on the path; the query stays.
    private static func withoutDots(_ target: String) -> String {
        let path = target.prefix { $0 != "?" }
        var kept: [Substring] = []
        let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        for (index, segment) in segments.enumerated() {
            let isLast = index == segments.count - 1
            switch segment {
            case ".": if isLast { kept.append("") }
            case "..":
                _ = kept.popLast()
                if isLast { kept.append("") }
            default: kept.append(segment)
            }
        }
        return "/" + kept.joined(separator: "/") + target.dropFirst(path.count)
    }
}
