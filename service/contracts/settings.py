"""Settings of the service and the worker, from `MSDELTA_*` variables or the caller."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read once, by the program that starts; passed on as a value."""

    model_config = SettingsConfigDict(env_prefix="MSDELTA_", frozen=True, extra="ignore")

    data_folder: Path = Path("msdelta-data")
    database_url: str | None = None
    """SQLAlchemy URL; None: SQLite in the data folder."""
    broker_url: str = "redis://127.0.0.1:6379/0"
    host: str = "127.0.0.1"
    port: int = 8000
    log_level: str = "INFO"

    max_upload_bytes: int = 8 * 2**30
    max_unpacked_bytes: int = 16 * 2**30
    max_files: int = 20_000
    least_free_bytes: int = 512 * 2**20
    """An upload is refused before the disk is full."""

    site_file: Path | None = None
    """YAML with the PACS and the destinations of results (`service/contracts/site.py`); None: none."""

    series_rules: Path | None = None
    """YAML with what a site wants otherwise in the choice of series (`worker/series_rules.yaml`); None: nothing."""

    measurement_rules: Path | None = None
    """YAML with a site's own set of measurement rules (`worker/measurement_rules.yaml`); None: the packaged set."""

    weights: Path | None = None
    """A safetensors file or a folder with several; None: the shipped weights."""
    device: str = "auto"

    allow_flair_only: bool = False
    """Whether the option `missing_t1: flair_only` may be used: lesions from FLAIR alone are flagged, and worse."""
    series_answer_s: float = 20.0
    """How long the API waits for a worker to read the headers of studies."""

    lease_s: float = 60.0
    heartbeat_s: float = 10.0
    sweep_every_s: float = 15.0
    lost_message_s: float = 120.0
    """A queued job without a worker for this long is sent again."""
    max_attempts: int = 3
    hard_time_limit_s: int = 3600
    visibility_timeout_s: int = 7200
    """Redis hands a message out again after this; longer than the hard time limit."""
    callback_attempts: int = 8
    callback_first_wait_s: float = 10.0
    callback_longest_wait_s: float = 3600.0
    callback_key_files: tuple[Path, ...] = ()
    """Each holds one signing key (`whsec_...`, Standard Webhooks); callbacks bear the signature of every key, so that a
    key can be rotated. None: callbacks are not signed."""
    allow_private_callbacks: bool = False
    """Callbacks to loopback and private addresses: for a site's own network and for tests."""

    delivery_attempts: int = 102
    """Of a result to a destination; with the waits below the last one is about a day after the first."""
    delivery_first_wait_s: float = 10.0
    delivery_longest_wait_s: float = 900.0
    delivery_lease_s: float = 60.0
    """A delivery whose worker died is taken by another after this; a living worker renews it while it sends."""
    delivery_limit_s: float = 7200.0
    """A send that takes longer than this is no longer protected from a second one."""

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the job store."""
        return self.database_url or f"sqlite:///{self.data_folder.resolve() / 'jobs.sqlite'}"
