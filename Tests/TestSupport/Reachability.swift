// A checkout or a toolchain below a directory that only its owner may enter (a 0700 temporary directory, /root) is out
// of reach for the plain user's programs, and for root's that change to another user. In a mount namespace of their own
// such a directory is covered by an empty one that all may enter, in which what was built, the peers and the toolchain
// appear at their old paths.

import Glibc

enum Reachability {
    /// The directories whose programs and libraries a plain user must reach.
    static var roots: [String] {
        [Peers.buildDirectory, Peers.directory + "/.."].compactMap(resolved) + libraryDirectory("libswiftCore.so")
    }

    private static func resolved(_ path: String) -> String? {
        guard let name = realpath(path, nil) else { return nil }
        defer { free(name) }
        return String(cString: name)
    }

    /// The topmost ancestor of `path` that others may not enter; nil when `path` is in reach.
    static func barrier(above path: String) -> String? {
        var ancestor = ""
        for part in path.split(separator: "/") {
            ancestor += "/" + part
            var info = stat()
            if stat(ancestor, &info) == 0, info.st_mode & S_IXOTH == 0 { return ancestor }
        }
        return nil
    }

    /// Shell lines for a new mount namespace; empty when everything is in reach.
    static var script: String {
        let hidden = roots.compactMap { root in barrier(above: root).map { (root, $0) } }
        guard !hidden.isEmpty else { return "" }
        var lines = ["mount -t tmpfs -o mode=755 none /mnt"]
        for (index, (root, _)) in hidden.enumerated() {
            lines += ["mkdir /mnt/\(index)", "mount --bind '\(root)' /mnt/\(index)"]
        }
        for barrier in Set(hidden.map(\.1)) { lines.append("mount -t tmpfs -o mode=755 none '\(barrier)'") }
        for (index, (root, _)) in hidden.enumerated() {
            lines += ["mkdir -p '\(root)'", "mount --bind /mnt/\(index) '\(root)'"]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func libraryDirectory(_ name: String) -> [String] {
        for line in (textOfFile("/proc/self/maps") ?? "").split(separator: "\n") where line.hasSuffix("/" + name) {
            guard let start = line.firstIndex(of: "/") else { continue }
            return [String(line[start...].dropLast(name.count + 1))]
        }
        return []
    }
}
