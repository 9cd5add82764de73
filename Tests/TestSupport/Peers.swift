// Where tests find the programs they speak to: those of this package (beside the test bundle) and the peers
// that scripts/peers fetched. A missing peer is a skip by name; `make test` fetches them all and sets
// NETEMU_ALL_PEERS=1, with which a missing one is a failure.

import Glibc

/// A program that tests start.
public struct Peer: Sendable, CustomStringConvertible {
    public let name: String
    /// An absolute path, or nil where there is none.
    public let path: String?

    /// Whether a test that needs it is to run.
    public var isThere: Bool { path != nil || Peers.areDemanded }
    /// What to write beside a skip: `.enabled(if: Peers.passt.isThere, Peers.passt.hint)`.
    public var hint: String { "\(name) is missing: run `make peers` or `scripts/setup test`" }
    /// The path, or a failure with the hint.
    public func require() throws -> String {
        guard let path else { throw TestFailure(description: hint) }
        return path
    }
    public var description: String { path ?? "\(name) (missing)" }
}

/// The peers by name.
public enum Peers {
    /// The root of this checkout.
    public static let packageRoot: String = {
        var parts = #filePath.split(separator: "/")
        parts.removeLast(3)
        return "/" + parts.joined(separator: "/")
    }()

    /// `.peers/bin` of the checkout, or NETEMU_PEERS.
    public static let directory: String =
        getenv("NETEMU_PEERS").map { String(cString: $0) } ?? packageRoot + "/.peers/bin"

    /// NETEMU_ALL_PEERS: no test is skipped for want of a peer.
    public static let areDemanded = getenv("NETEMU_ALL_PEERS") != nil

    public static let passt = find("passt")
    public static let passtRepair = find("passt-repair")

    /// A fetched peer.
    public static func find(_ name: String) -> Peer {
        let path = directory + "/" + name
        return Peer(name: name, path: access(path, X_OK) == 0 ? path : nil)
    }

    /// A program of the system, searched on PATH and in the directories that a plain user's PATH may lack.
    public static func system(_ name: String) -> Peer {
        let path = getenv("PATH").map { String(cString: $0) } ?? ""
        let directories = path.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        return Peer(name: name, path: directories.map { $0 + "/" + name }.first { access($0, X_OK) == 0 })
    }

    /// A program of this package, from the build that the tests came from.
    public static func built(_ name: String) -> Peer {
        let path = buildDirectory + "/" + name
        return Peer(name: name, path: access(path, X_OK) == 0 ? path : nil)
    }

    /// The directory of the running test bundle or program; the package's programs lie beside it.
    static let buildDirectory: String = {
        let maps = (textOfFile("/proc/self/maps") ?? "").split(separator: "\n")
        // The first mapping is the executable's own.
        guard let line = maps.first(where: { $0.hasSuffix(".xctest") }) ?? maps.first,
            let start = line.firstIndex(of: "/"), let end = line.lastIndex(of: "/")
        else { return packageRoot + "/.build/debug" }
        return String(line[start..<end])
    }()
}

/// The bytes of a file as text; nil when it cannot be read.
public func textOfFile(_ path: String) -> String? {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { return nil }
    defer { close(fd) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = read(fd, &chunk, chunk.count)
        guard count > 0 else { break }
        bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
}
