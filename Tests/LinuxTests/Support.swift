// What the tests of this room share: a directory of their own, a reactor that is turned until something
// is true, a seeded generator.

import Bytes
import CLinux
import Glibc
import Testing

@testable import Linux

/// A directory that goes with the test.
final class Scratch {
    let path: String

    init() throws {
        var template = Array("/tmp/netemu-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError(call: "mkdtemp", code: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // Tests as a plain uid write here, too.
        chmod(path, 0o1777)
    }

    deinit {
        let fd = ne_open(path, O_RDONLY | O_DIRECTORY, 0)
        if fd >= 0 { _ = ne_remove_contents(fd, 8) }
        close(fd)
        rmdir(path)
    }

    var entries: [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}

extension Reactor {
    /// Turns until `condition` holds; false after `seconds`.
    func turn(seconds: Double = 20, until condition: () -> Bool) throws -> Bool {
        let deadline = ne_monotonic_ns() + UInt64(seconds * 1e9)
        while !condition() {
            guard ne_monotonic_ns() < deadline else { return false }
            try turn(maxWaitNanoseconds: 20_000_000)
        }
        return true
    }
}

/// Waits, without a reactor, until `condition` holds.
func eventually(seconds: Double = 20, _ condition: () -> Bool) -> Bool {
    let deadline = ne_monotonic_ns() + UInt64(seconds * 1e9)
    while !condition() {
        guard ne_monotonic_ns() < deadline else { return false }
        usleep(2000)
    }
    return true
}

/// Processes whose command line contains `token`.
func processes(with token: String) -> [pid_t] {
    guard let stream = opendir("/proc") else { return [] }
    defer { closedir(stream) }
    var found: [pid_t] = []
    while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        guard let pid = pid_t(name), pid != getpid(), let line = try? SmallFile.read("/proc/\(name)/cmdline") else {
            continue
        }
        if String(decoding: line, as: UTF8.self).contains(token) { found.append(pid) }
    }
    return found
}
