// Where rows of the table take place: a network namespace with a peer, and a hub of frames with passt for those guests
// whose cards hang on a stream.

import Glibc
import TestSupport

/// A place for one row after the other.
final class FaultStage {
    let ground: Ground
    private let directory: TemporaryDirectory
    private let hub: Child
    private var children: [Child] = []
    /// What runs and lies there when no row does.
    private let usualProcesses: Set<String>
    private let usualFiles: Set<String>

    init() throws {
        // Somebody may be killed while he is asked.
        signal(SIGPIPE, SIG_IGN)
        directory = try TemporaryDirectory(for: .mapped)
        ground = try Ground(Namespace(as: .mapped), directory)
        var words = ["-guest", "none", "-monitor", "stdio"]
        words += ["-netdev", "passt,id=p,path={passt}", "-netdev", "hubport,id=hp,hubid=0,netdev=p"]
        for side in Side.allCases {
            let path = "\(ground.directory.path)/\(side.rawValue)"
            words += ["-netdev", "stream,id=\(side.rawValue),server=on,addr.type=unix,addr.path=\(path)"]
            words += ["-netdev", "hubport,id=h\(side.rawValue),hubid=0,netdev=\(side.rawValue)"]
        }
        hub = try ground.start(words, input: .pipe)
        try hub.wait(for: "(netemu) ")
        usualProcesses = Set(ground.namespace.processes)
        usualFiles = Set(ground.leftovers)
    }

    deinit {
        hub.end()
        ground.namespace.end()
        directory.remove()
    }

    /// A netemu with a monitor and a console.
    func start(_ side: Side, _ backEnd: FaultBackEnd, more: [String] = []) throws -> Session {
        let netdev =
            switch backEnd {
            case .stream: "stream,id=n,server=off,addr.type=unix,addr.path=\(ground.directory.path)/\(side.rawValue)"
            case .passt: "passt,id=n,path={passt},vhost-user=on,tcp-ports=18080"
            }
        return try start(["-netdev", netdev, "-device", "virtio-net-pci,netdev=n,id=d0"] + more)
    }

    func start(_ words: [String]) throws -> Session {
        let session = try ground.session(words: words)
        children.append(session.child)
        return session
    }

    /// Who looks at a guest's counting stream.
    func startPeer(_ port: Int) throws -> Child {
        let peer = try ground.namespace.start([try Peers.built("host-peer").require(), "ramp:\(port)"])
        children.append(peer)
        try peer.wait(for: "ready")
        return peer
    }

    /// Ends what a row has started.
    func clear() {
        for child in children { ground.namespace.end(child) }
        children = []
    }

    /// What is there besides the usual, a little later.
    func remains() -> [String] {
        var found: [String] = []
        for _ in 0..<500 {
            found = ground.namespace.processes.filter { !usualProcesses.contains($0) }
            found += ground.leftovers.filter { !usualFiles.contains($0) }
            if found.isEmpty { break }
            usleep(10_000)
        }
        return found
    }
}
