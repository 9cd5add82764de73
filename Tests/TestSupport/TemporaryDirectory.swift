// A directory for a test's files, removed with everything in it.

import Glibc

/// A new directory below /tmp; `remove` (or the end of `withTemporaryDirectory`) deletes it.
public struct TemporaryDirectory: Sendable {
    public let path: String

    /// - Parameter privilege: whoever runs the test's programs may write there.
    public init(for privilege: Privilege = .mapped) throws {
        var template = Array("/tmp/netemu-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw TestFailure(description: "mkdtemp: \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        if privilege == .plain { chown(path, 65534, 65534) }
    }

    /// Names inside, sorted.
    public var entries: [String] { names(in: path) }

    public func remove() { removeTree(path) }
}

/// Gives `body` a directory and removes it afterwards, also when `body` throws.
public func withTemporaryDirectory<R>(for privilege: Privilege = .mapped, _ body: (TemporaryDirectory) throws -> R)
    throws -> R
{
    let directory = try TemporaryDirectory(for: privilege)
    defer { directory.remove() }
    return try body(directory)
}

/// The names in a directory without `.` and `..`, sorted; none when it cannot be read.
public func names(in path: String) -> [String] {
    guard let stream = opendir(path) else { return [] }
    defer { closedir(stream) }
    var found: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { found.append(name) }
    }
    return found.sorted()
}

private func removeTree(_ path: String) {
    var info = stat()
    guard lstat(path, &info) == 0 else { return }
    guard info.st_mode & S_IFMT == S_IFDIR else {
        unlink(path)
        return
    }
    for name in names(in: path) { removeTree(path + "/" + name) }
    rmdir(path)
}
