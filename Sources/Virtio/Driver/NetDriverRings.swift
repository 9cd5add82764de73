// The two rings of a started driver with the memory they lie in. They live from the set-up of the
// queues until the device has said that its reset is complete, and not a moment less.

/// Both queues of a driver. Their memory goes back to the heap with the value.
struct NetDriverRings: ~Copyable {
    let plan: NetRingPlan
    var receive: NetReceiveQueue
    var transmit: NetTransmitQueue

    /// - Parameter places: where the queues lie already; nothing is posted then.
    init(
        _ plan: NetRingPlan, heap: GuestHeap, features: UInt64,
        at places: (receive: NetQueuePlace, transmit: NetQueuePlace)? = nil
    ) throws(VirtioError) {
        let receive = try NetReceiveQueue(
            NetQueueShape(size: plan.receiveSize, bufferBytes: plan.bufferSize, features: features), heap: heap,
            at: places?.receive)
        let transmit = try NetTransmitQueue(
            NetQueueShape(size: plan.transmitSize, bufferBytes: plan.slotSize, features: features), heap: heap,
            at: places?.transmit)
        self.plan = plan
        self.receive = receive
        self.transmit = transmit
    }
}
