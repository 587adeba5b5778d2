package import ColaCore

/// Whoever runs the workers, as far as their connections need him.
package protocol WorkerAdmission: AnyObject {
    /// A connection shows a token, which is good once.
    ///
    /// - Returns: whose process it was given to, and whose the connection is from here on; nil: nobody's.
    func admit(token: String, _ channel: ChannelID, from peer: Peer) -> WorkerRequest.Target?
}
