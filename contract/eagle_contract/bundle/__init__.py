"""The published model on disk: manifest, encryption, signature, store. `publish` writes a bundle, `fetch` reads one.

A bundle lies at `<store>/<organization>/<schedule uid>/<version>/<sha256 of manifest.json>/`:

| file | content |
|---|---|
| manifest.json | what the model is, the digests of all files before encryption, keyId |
| manifest.sig | DSSE envelope, ECDSA P-256, in-toto statement of OpenSSF model signing |
| model.onnx.enc | the graph, AES-256-GCM under a random key that the organization's key wraps |
| golden.npz.enc | windows and their answers, encrypted likewise |
| judged.onnx.enc | the graph of the model that the figures are of, encrypted likewise; not in every bundle |
| card.html | the model card |
"""

from eagle_contract.bundle.encryption import KeyRing
from eagle_contract.bundle.errors import (
    BundleConflict,
    BundleError,
    BundleMissing,
    BundleTooLarge,
    DecryptionFailed,
    DigestMismatch,
    KeysInvalid,
    SchemaUnsupported,
    SignatureInvalid,
    StoreInvalid,
    StoreUnavailable,
)
from eagle_contract.bundle.failures import ServingExit
from eagle_contract.bundle.fetching import JudgedModel, OpenedBundle, fetch, fetch_judged
from eagle_contract.bundle.golden import Golden
from eagle_contract.bundle.layout import BundleIdentity
from eagle_contract.bundle.manifest import DecisionThresholds, FileEntry, Manifest
from eagle_contract.bundle.publishing import BundleContents, PublishedArtifact, publish
from eagle_contract.bundle.signature import Signer, Verifier
from eagle_contract.bundle.store import ObjectStore, open_store

__all__ = [
    "BundleConflict",
    "BundleContents",
    "BundleError",
    "BundleIdentity",
    "BundleMissing",
    "BundleTooLarge",
    "DecisionThresholds",
    "DecryptionFailed",
    "DigestMismatch",
    "FileEntry",
    "Golden",
    "JudgedModel",
    "KeyRing",
    "KeysInvalid",
    "Manifest",
    "ObjectStore",
    "OpenedBundle",
    "PublishedArtifact",
    "SchemaUnsupported",
    "ServingExit",
    "SignatureInvalid",
    "Signer",
    "StoreInvalid",
    "StoreUnavailable",
    "Verifier",
    "fetch",
    "fetch_judged",
    "open_store",
    "publish",
]
