// netemu under test: the built program in a namespace, with real passt, a peer on the host, its monitor on a pipe and
// its console on a unix socket. Everything is ended with the namespace.

import Glibc

/// A namespace with a peer on its host side and a directory for a test's files.
public final class Ground {
    public let namespace: Namespace
    public let directory: TemporaryDirectory
    public let peer: Child
    public let passt: String
    private var consoles = 0

    /// Services of host-peer that every test finds.
    public static let services = ["http:8080", "sink:9000", "echo:9007", "dns:5300"]

    public init(_ namespace: Namespace, _ directory: TemporaryDirectory, services: [String] = Ground.services) throws {
        self.namespace = namespace
        self.directory = directory
        passt = try Peers.passt.require()
        peer = try namespace.start([try Peers.built("host-peer").require()] + services)
        try peer.wait(for: "ready")
    }

    /// Where netemu makes its run-time directory.
    public var runtime: String { directory.path }

    /// Writes a program in the shell's language into the directory; returns its path.
    public func script(_ name: String, _ text: String) -> String {
        let path = directory.path + "/" + name
        let fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o755)
        let bytes = Array("#!/bin/sh\n\(text)\n".utf8)
        _ = bytes.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) }
        close(fd)
        return path
    }

    /// Starts netemu. `{passt}` in an argument stands for the fetched passt.
    public func start(_ arguments: [String], input: ChildInput = .null, environment: [String: String] = [:]) throws
        -> Child
    {
        let program = try Peers.built("netemu").require()
        let words = arguments.map { word in
            word.split(separator: "{passt}", omittingEmptySubsequences: false).joined(separator: passt)
        }
        return try namespace.start(
            [program] + words, input: input, directory: directory.path,
            environment: ["XDG_RUNTIME_DIR": runtime].merging(environment) { $1 })
    }

    /// Starts netemu where not even a GiB of addresses is to be had.
    public func startInLittleSpace(_ arguments: [String]) throws -> Child {
        let limit = Sanitizer.isOn ? [] : ["prlimit", "--as=900000000"]
        return try namespace.start(
            limit + [try Peers.built("netemu").require()] + arguments, directory: directory.path,
            environment: ["XDG_RUNTIME_DIR": runtime])
    }

    /// Starts netemu with passt, monitor and console, and waits for the lease.
    public func session(_ nic: String = "", more: [String] = []) throws -> Session {
        try session(words: ["-nic", "passt,model=virtio,vhost-user=on,path={passt}\(nic)"] + more)
    }

    /// Starts netemu with these words, monitor and console. passt is in PATH, the test's directory is HOME.
    public func session(words: [String]) throws -> Session {
        consoles += 1
        let path = "\(directory.path)/console\(consoles)"
        let arguments = words + ["-monitor", "stdio", "-serial", "unix:\(path),server=on,wait=off"]
        let folder = passt.split(separator: "/").dropLast().joined(separator: "/")
        let child = try start(
            arguments, input: .pipe, environment: ["PATH": "/\(folder):/usr/bin:/bin", "HOME": directory.path])
        do {
            return try Session(child: child, console: UnixClient(path: path))
        } catch {
            throw TestFailure(description: "\(error)\n\(child.transcript)")
        }
    }

    /// Files that netemu left behind, besides the test's own sockets.
    public var leftovers: [String] { directory.entries.filter { $0.hasPrefix("netemu") } }
}

/// Makes the ground for a test and clears it afterwards.
public func withGround<R>(as privilege: Privilege, _ body: (Ground) throws -> R) throws -> R {
    try withTemporaryDirectory(for: privilege) { directory in
        try withNamespace(as: privilege) { namespace in try body(Ground(namespace, directory)) }
    }
}
